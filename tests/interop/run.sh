#!/usr/bin/env bash
# tests/interop/run.sh
# Talks to `examples/echo` with the clients that people use: npm's ws and undici, PyPI's websockets,
# aiohttp and picows, and headless Chromium. Each sends text, bytes, nothing, a megabyte and (where
# it can) fragments and pings, gets all of it back, and closes. Prints a line for each; fails if one
# does.
#
# What it installs goes to target/interop; Debian's packages are installed where they are missing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
home=$PWD/target/interop
mkdir -p "$home"

missing=()
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
command -v chromium >/dev/null || missing+=(chromium)
if [ ${#missing[@]} -gt 0 ]; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
if [ ! -f "$home/.ready" ]; then
    python3 -m venv "$home/venv"
    "$home/venv/bin/pip" install -q websockets==17.4 aiohttp==3.14.5 picows==2.3.1
    npm install --silent --no-audit --no-fund --prefix "$home" ws@8.23.0 undici@7.30.2
    touch "$home/.ready"
fi

cargo build --quiet --release --example echo
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
target/release/examples/echo "127.0.0.1:$port" > "$home/echo.log" &
server=$!
trap 'kill $server 2>/dev/null || true' EXIT
for _ in $(seq 50); do
    if python3 -c "import socket; socket.create_connection(('127.0.0.1', $port))" 2>/dev/null; then break; fi
    sleep 0.1
done

url="ws://127.0.0.1:$port/"
# Modules are looked for beside the script that wants them.
cp "$here/clients.mjs" "$home/"
node "$home/clients.mjs" "$url"
"$home/venv/bin/python" "$here/clients.py" "$url"
