#!/usr/bin/env bash
# tests/fuzz/run.sh TARGET [OPTIONS OF LIBFUZZER]
# Fuzzes one of the targets, for example `tests/fuzz/run.sh decoder -max_total_time=1200`. The corpus is
# stored in tests/fuzz/corpus, and inputs that fail in tests/fuzz/artifacts.
#
# Needs a nightly toolchain and cargo-fuzz: cargo install cargo-fuzz
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${1:?"name a target: $(ls tests/fuzz/seeds | xargs)"}
shift
options=(-timeout=20 -rss_limit_mb=2048)
if [ -f "tests/fuzz/$target.dict" ]; then options+=("-dict=tests/fuzz/$target.dict"); fi
mkdir -p "tests/fuzz/corpus/$target"
exec cargo +nightly fuzz run --fuzz-dir tests/fuzz "$target" \
    "tests/fuzz/corpus/$target" "tests/fuzz/seeds/$target" -- "${options[@]}" "$@"
