#!/bin/sh
# Builds a fuzz target with a stable toolchain and runs it: fuzz/run.sh TARGET SECONDS
set -eu
cd "$(dirname "$0")"
target=$1
seconds=${2:-600}
host=$(rustc -vV | sed -n 's/^host: //p')

# The coverage instrumentation for libFuzzer. With an explicit --target, build scripts are not instrumented.
RUSTFLAGS="--cfg fuzzing -Ccodegen-units=1 -Cpasses=sancov-module \
-Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares" \
    cargo build --release --bin "$target" --target "$host"

mkdir -p "corpus/$target" "artifacts/$target"
cp "seeds/$target"/* "corpus/$target/"

# Some targets write the file that they read; use a RAM disk if there is one.
[ -z "${TMPDIR:-}" ] && [ -w /dev/shm ] && export TMPDIR=/dev/shm

exec "${CARGO_TARGET_DIR:-target}/$host/release/$target" "corpus/$target" \
    -max_total_time="$seconds" -max_len=8192 -rss_limit_mb=2048 -timeout=20 \
    -artifact_prefix="artifacts/$target/" -print_final_stats=1
