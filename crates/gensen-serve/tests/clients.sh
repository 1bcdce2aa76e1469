#!/usr/bin/env bash
# Runs tests/clients.py and tests/page.py against a server with the built-in model: with common clients in a
# virtual environment below target/, and in headless Chromium. Missing programs are reported, and their tests
# skipped.
set -euo pipefail
cd "$(dirname "$0")/../../.."

skipped() { echo "SKIPPED: $1" >&2; }

command -v python3 >/dev/null || { skipped "the server's tests with other people's clients: there is no python3"; exit 0; }
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
