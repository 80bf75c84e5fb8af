#!/usr/bin/env bash
# tests/interop/run.sh
# Tests `examples/rpc` with clients of JSON-RPC 2.0 (npm's rpc-websockets, json-rpc-2.0 and vscode-jsonrpc, and Rust's
# jsonrpsee), and `examples/ocpp` with PyPI's ocpp. Tests `examples/echo` with common clients: npm's ws and undici,
# PyPI's websockets, aiohttp and picows, and headless Chromium. Each client sends text, bytes, an empty message, a
# megabyte and, if it can, fragments and pings; checks the echoes, compressed if it offers compression; and closes. Then
# PyPI's h2 and wsproto test HTTP/2, also of `examples/wss`, and Chromium tests HTTP/2 with the server beside this file.
# A page in Chromium reaches `examples/hello` without WebSockets, with Bullet's script if BULLET_JS is its path. curl
# repeats the transcripts of the README and the guide. AsyncAPI's parser validates the documents of the examples'
# contracts. The client in `clients/js` runs its tests in Node, and in Chromium on bad networks. Clients of all examples
# with a contract are generated, compiled, and talk in Node; that of `examples/rpc` also in a page. Arbitrary values of all
# types pass a generated client and its server. Chromium calls `examples/rpc` from the page of its documentation, and opens
# one with hostile texts. Then Chromium inspects a server with 4,000 connections. Two windows of Chromium use the page of `examples/chat`, on one node and on two with
# nats-server between them, which are killed. Last, `examples/feed` and a page in Chromium are clients of `examples/board`,
# which restarts.
# Prints a line per client, and fails if a client fails.
#
# The script installs to target/interop, and installs missing Debian packages.
set -euo pipefail
export PYTHONDONTWRITEBYTECODE=1
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
home=$PWD/target/interop
mkdir -p "$home"

missing=()
python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
command -v curl >/dev/null || missing+=(curl)
command -v chromium >/dev/null || missing+=(chromium)
if [ ${#missing[@]} -gt 0 ]; then
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi
# chat.py reports the part that it skips without nats-server.
if ! PATH=$PATH:/usr/sbin command -v nats-server >/dev/null; then
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends nats-server; } || true
fi
venv=$home/venv
# Installs again when the versions below change.
ready=$home/.ready-$(grep -E 'pip" install|npm install' "$here/run.sh" | cksum | cut -d' ' -f1)
if [ ! -f "$ready" ]; then
    rm -rf "$venv"
    python3 -m venv "$venv"
    "$venv/bin/pip" install -q websockets==17.4 aiohttp==3.14.5 picows==2.3.1 h2==4.4.1 wsproto==1.3.2 ocpp==2.1.0
    npm install --silent --no-audit --no-fund --prefix "$home" ws@8.23.0 undici@7.30.2 rpc-websockets@10.0.1 json-rpc-2.0@1.8.1 vscode-jsonrpc@10.0.0 jquery@1.12.4 @asyncapi/parser@3.6.6
    touch "$ready"
fi

# With the feature `tls`, `echo` also serves HTTP/2. BUILT=1 takes the programs that were built before.
if [ -z "${BUILT:-}" ]; then
    cargo build --quiet --release -p examples -p tests --examples --bins \
        --features examples/axum,examples/board,examples/contract,examples/nats,examples/ocpp,examples/tls
fi
target/release/interop-asyncapi "$home/asyncapi" examples/contract/*.json
node "$here/asyncapi.mjs" "$home/node_modules" "$home"/asyncapi/*
cargo build --quiet --locked --manifest-path "$here/jsonrpsee/Cargo.toml" --target-dir "$home/jsonrpsee"
servers=()
trap 'kill "${servers[@]}" 2>/dev/null || true' EXIT

# serve NAME: starts an example on a free port and stores the port in $port.
serve() {
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    "target/release/examples/$1" "127.0.0.1:$port" < /dev/null > "$home/$1.log" &
    servers+=($!)
    for _ in $(seq 50); do
        if python3 -c "import socket; socket.create_connection(('127.0.0.1', $port))" 2>/dev/null; then return; fi
        sleep 0.1
    done
}

serve echo
(cd clients/js && npm ci --silent --no-audit --no-fund)
SERVER=$PWD/target/release/interop-sessions npm test --silent --prefix clients/js
# Node resolves modules from the folder of the script.
cp "$here/clients.mjs" "$home/"
node "$home/clients.mjs" "ws://127.0.0.1:$port/"
"$venv/bin/python" "$here/clients.py" "ws://127.0.0.1:$port/"
"$venv/bin/python" "$here/http2.py" "127.0.0.1:$port" / ""
serve rpc
cp "$here/rpc.mjs" "$home/"
node "$home/rpc.mjs" "ws://127.0.0.1:$port/rpc"
programs=("$PWD/target/release/interop-typescript" "$PWD/target/release/examples")
node "$here/generated.mjs" "${programs[@]}" "$PWD/target/release/interop-values"
node "$here/generated_page.mjs" "${programs[@]}" chromium
"$venv/bin/python" "$here/docs.py" target/release/examples/rpc target/release/interop-docs
"$venv/bin/python" "$here/inspector.py" target/release/interop-inspector
"$home/jsonrpsee/debug/interop-jsonrpsee" "ws://127.0.0.1:$port/rpc"
serve ocpp
"$venv/bin/python" "$here/ocpp_station.py" "127.0.0.1:$port"
serve wss
"$venv/bin/python" "$here/http2.py" "127.0.0.1:$port" /echo ", said in private" --tls
serve hello
# Bullet's script is not a part of this repository, and no registry has it. BULLET_JS is the path of a copy.
scripts=()
if [ -n "${BULLET_JS:-}" ]; then
    scripts=("$home/node_modules/jquery/dist/jquery.js" "$BULLET_JS")
fi
"$venv/bin/python" "$here/bullet.py" "127.0.0.1:$port" ${scripts[@]+"${scripts[@]}"}
hello=$port
serve chat
"$venv/bin/python" "$here/transcripts.py" "127.0.0.1:$hello" "127.0.0.1:$port"
"$venv/bin/python" "$here/chromium.py" target/release/interop-server
"$venv/bin/python" "$here/chat.py" target/release/examples/chat
"$venv/bin/python" "$here/board.py" target/release/examples/board target/release/examples/feed "$home"
"$venv/bin/python" "$here/sessions.py" target/release/interop-sessions target/release/examples/chat
