#!/bin/sh
# Builds the server of uWebSockets, a C++ library, which is then a row of the tables like the others. Needs gcc 10
# or later. The source is in a package that binds it; cargo fetches that and says where it is.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
out=${CARGO_TARGET_DIR:-$here/../../target}/uwebsockets
mkdir -p "$out/src"
out=$(cd "$out" && pwd)

touch "$out/src/lib.rs"
cat >"$out/Cargo.toml" <<'MANIFEST'
[package]
name = "uwebsockets"

[dependencies]
libuwebsockets-sys = "=0.0.10"

[workspace]
MANIFEST
manifest=$(cargo metadata --format-version 1 --manifest-path "$out/Cargo.toml" |
    grep -o '"manifest_path":"[^"]*/libuwebsockets-sys-[^"]*"' | cut -d '"' -f 4)
source=$(dirname "$manifest")/uWebSockets

for part in bsd context loop socket udp eventing/epoll_kqueue; do
    gcc -O3 -flto=auto -DLIBUS_NO_SSL -I"$source/uSockets/src" \
        -c "$source/uSockets/src/$part.c" -o "$out/$(basename "$part").o"
done
g++ -std=c++20 -O3 -flto=auto -DLIBUS_NO_SSL -DUWS_NO_ZLIB -I"$source/uSockets/src" -I"$source/src" \
    "$here/server.cpp" "$out"/*.o -o "$out/server"
echo "built $out/server"
