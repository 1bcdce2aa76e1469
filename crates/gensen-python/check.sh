#!/usr/bin/env bash
# Builds the wheel in a virtual environment below target/, and tests it as users get it.
#
#     crates/gensen-python/check.sh [pytest's arguments]
#
# PYTHON names the Python (python3 without it; 3.9 or newer). The environment is created once, and again when
# its requirements change. Tests of torch, sentence-transformers, MTEB, Ray and Spark, which are large, run where these
# can be imported: GENSEN_SITE_PACKAGES lists folders with them, separated by colons.
set -euo pipefail
cd "$(dirname "$0")"

python=${PYTHON:-python3}
if ! "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
    echo "gensen-python: NOT TESTED: $python is missing, older than 3.9, or cannot make virtual environments" >&2
    exit 0
fi

target=${CARGO_TARGET_DIR:-../../target}
environment=$target/python/venv
needs="maturin>=1.16,<2 numpy>=1.21 pytest>=8 scikit-learn>=1.0 langchain-core>=0.3 mypy>=1.11"
made="$("$python" -VV) $needs"
if [ "$(cat "$environment/made" 2>/dev/null)" != "$made" ]; then
    rm -rf "$environment"
    "$python" -m venv "$environment"
    # shellcheck disable=SC2086
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check $needs
    echo "$made" > "$environment/made"
fi
python=$environment/bin/python
extra=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/extra.pth
tr : "\n" <<< "${GENSEN_SITE_PACKAGES:-}" > "$extra"

wheels=$target/python/wheels
rm -rf "$wheels"
"$python" -m maturin build --release --locked --quiet --interpreter "$python" --target-dir "$target" --out "$wheels"
"$python" -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall "$wheels"/*.whl
PYTHONDONTWRITEBYTECODE=1 "$python" -m pytest -p no:cacheprovider "$@"
