#!/usr/bin/env bash
# tests/autobahn/run.sh [CASES] [--exclude CASES] [--jobs N] [--require-deflate] [--limit SECONDS]
# Runs the Autobahn test suite (PyPI's autobahntestsuite, ported to Python 3 by fuzz.py beside this
# file) against `examples/echo`, and prints a line for each category. CASES is a comma list of
# patterns; the default is categories 1 to 10. The script fails if a case fails, or if a case that
# should be OK is only NON-STRICT.
#
# BUILT=1 takes the program that was built before. Requires python3 with venv. Installed packages and reports go to target/autobahn.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
home=$PWD/target/autobahn
venv=$home/venv
mkdir -p "$home"
if [ ! -f "$venv/.ready" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q 'setuptools<81' wheel
    "$venv/bin/pip" install -q autobahntestsuite==25.10.1 autobahn==0.10.9 'twisted==26.10.0' 'txaio==26.6.1' six
    python3 -c 'import lib2to3' 2>/dev/null || "$venv/bin/pip" install -q fissix
    "$venv/bin/python" "$here/fuzz.py" port
    touch "$venv/.ready"
fi

cases='*'
rest=(--exclude '12.*,13.*')
if [ $# -gt 0 ]; then
    if [ "${1#--}" = "$1" ]; then cases=$1; shift; rest=(); fi
    rest+=("$@")
fi

if [ -z "${BUILT:-}" ]; then cargo build --quiet --release --example echo; fi
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
target/release/examples/echo "127.0.0.1:$port" "${WORKERS:-0}" > "$home/echo.log" &
server=$!
trap 'kill $server 2>/dev/null || true' EXIT
for _ in $(seq 50); do
    if grep -q listening "$home/echo.log"; then break; fi
    sleep 0.1
done
"$venv/bin/python" "$here/fuzz.py" run --url "ws://127.0.0.1:$port" --cases "$cases" \
    --outdir "$home/report" --jobs 8 "${rest[@]}" | tee "$home/summary.txt"
if grep -q '^NON-STRICT:' "$home/summary.txt"; then
    echo "some cases are only NON-STRICT"
    exit 1
fi
