#!/usr/bin/env bash
# Runs tests/clients.py, with clients installed in a virtual environment below target/, and tests/page.py, in headless
# Chromium. Reports what is missing on this machine, and runs the rest.
set -euo pipefail
cd "$(dirname "$0")/../../.."

skipped() { echo "SKIPPED: $1" >&2; }

command -v python3 >/dev/null || { skipped "the server's tests with real clients: python3 is not installed"; exit 0; }
cargo build --release -p gensen

environment=target/serve-clients
if ! "$environment/bin/python" -c 'import openai, huggingface_hub, numpy' 2>/dev/null; then
    { python3 -m venv "$environment" && "$environment/bin/pip" install --quiet openai huggingface_hub numpy; } ||
        skipped "the clients openai and huggingface_hub: they cannot be installed"
fi
python=$environment/bin/python
[ -x "$python" ] || python=python3
"$python" crates/gensen-serve/tests/clients.py target/release/gensen
"$python" crates/gensen-serve/tests/page.py target/release/gensen
