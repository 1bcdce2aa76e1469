#!/usr/bin/env bash
# Builds the wheel in a virtual environment below target/, installs it there, and runs the tests.
#
#     crates/gensen-python/check.sh [pytest's arguments]
#     crates/gensen-python/check.sh --all [pytest's arguments]
#
# Without --all, tests that need torch, sentence-transformers, MTEB, Ray, Spark or SentEval are skipped and listed.
# With --all, these packages are installed too (about 7 GB; Spark needs Java), and a skipped test is a failure. Set
#
#     GENSEN_SENTEVAL       a checkout of SentEval
#     GENSEN_SENTEVAL_DATA  its data: the folder that `cargo xtask fetch-data senteval` fills, data/senteval
#     GENSEN_MINILM         a folder with all-MiniLM-L6-v2
#
# PYTHON is the Python to use: python3 by default, 3.9 or newer. An environment is created once, and again when its
# requirements change.
set -euo pipefail
folders="GENSEN_SENTEVAL GENSEN_SENTEVAL_DATA GENSEN_MINILM"
for variable in $folders; do
    [ ! -d "${!variable:-}" ] || export "$variable=$(cd "${!variable}" && pwd)"
done
cd "$(dirname "$0")"

python=${PYTHON:-python3}
if ! "$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
    echo "gensen-python: NOT TESTED: $python is missing, older than 3.9, or cannot create virtual environments" >&2
    exit 0
fi

target=${CARGO_TARGET_DIR:-../../target}
environment=$target/python/venv
needs="maturin>=1.16,<2 numpy>=1.21 pytest>=8 scikit-learn>=1.0 langchain-core>=0.3 mypy>=1.11"
options=()
if [ "${1:-}" = --all ]; then
    shift
    for variable in $folders; do
        if [ ! -d "${!variable:-}" ]; then
            echo "gensen-python: --all needs the folder $variable; see the head of check.sh" >&2
            exit 1
        fi
    done
    environment=$target/python/venv-all
    needs="$needs torch sentence-transformers>=5 mteb>=2 datasets ray[data] pyspark pandas pyarrow"
    options=(--no-skips)
fi
made="$("$python" -VV) $needs"
if [ "$(cat "$environment/made" 2>/dev/null)" != "$made" ]; then
    rm -rf "$environment"
    "$python" -m venv "$environment"
    # shellcheck disable=SC2086
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check $needs
    echo "$made" > "$environment/made"
fi
python=$environment/bin/python

wheels=$target/python/wheels
rm -rf "$wheels"
"$python" -m maturin build --release --locked --quiet --interpreter "$python" --target-dir "$target" --out "$wheels"
"$python" -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall "$wheels"/*.whl
PYTHONDONTWRITEBYTECODE=1 "$python" -m pytest -p no:cacheprovider ${options[@]+"${options[@]}"} "$@"
