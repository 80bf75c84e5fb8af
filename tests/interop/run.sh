#!/usr/bin/env bash
# tests/interop/run.sh
# Talks to examples/echo and examples/wss over HTTP/2, with a client in Python.
#
# Needs python3 with venv. What it installs goes to target/interop.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
home=$PWD/target/interop
venv=$home/venv
mkdir -p "$home"
if [ ! -f "$venv/.ready" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q 'h2==4.4.1' 'wsproto==1.3.2'
    touch "$venv/.ready"
fi

cargo build --quiet -p examples --example echo --example wss
servers=()
trap 'kill "${servers[@]}" 2>/dev/null || true' EXIT

# serve NAME: starts an example on a free port, which it leaves in $port.
serve() {
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    "target/debug/examples/$1" "127.0.0.1:$port" < /dev/null > "$home/$1.log" &
    servers+=($!)
    for _ in $(seq 50); do
        if python3 -c "import socket; socket.create_connection(('127.0.0.1', $port))" 2>/dev/null; then return; fi
        sleep 0.1
    done
}

serve echo
"$venv/bin/python" "$here/http2.py" "127.0.0.1:$port" / ""
serve wss
"$venv/bin/python" "$here/http2.py" "127.0.0.1:$port" /echo ", said in private" --tls
