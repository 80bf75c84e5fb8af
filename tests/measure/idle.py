#!/usr/bin/env python3
"""Bytes of RSS that a connection costs the server beside this script: right after the handshake,
and after one message.

    cargo build --release -p tests && python3 tests/measure/idle.py

DEFLATE=1 offers permessage-deflate and sends compressed messages; URL_PATH=/15-8, /12-5, /9-1, /inflate and /alone
are the handlers that accept.
"""
import os, resource, socket, subprocess, sys, time, zlib

PORT = int(os.environ.get("PORT", "9023"))
SERVER = os.environ.get("SERVER", "target/release/measure-server")
PATH = os.environ.get("URL_PATH", "/")
COUNT = int(os.environ.get("COUNT", "5000"))
DEFLATE = "DEFLATE" in os.environ
OFFER = "Sec-WebSocket-Extensions: permessage-deflate\r\n" if DEFLATE else ""
REQUEST = (f"GET {PATH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{OFFER}\r\n").encode()
MESSAGE = b"\x81\x85\x01\x02\x03\x04" + bytes(b ^ k for b, k in zip(b"hello", b"\x01\x02\x03\x04\x01"))
if DEFLATE:
    codec = zlib.compressobj(wbits=-15)
    # Enough to fill a window, of which there is one for what comes and one for what goes.
    text = b"".join(b"%08d" % (n * 7919 % 100_000_000) for n in range(8192))
    payload = (codec.compress(text) + codec.flush(zlib.Z_SYNC_FLUSH))[:-4]
    MESSAGE = b"\xc1\xfe" + len(payload).to_bytes(2, "big") + bytes(4) + payload


def rss(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


def connect():
    sock = socket.create_connection(("127.0.0.1", PORT))
    sock.sendall(REQUEST)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += sock.recv(4096)
    return sock


resource.setrlimit(resource.RLIMIT_NOFILE, (20_000, 20_000))
server = subprocess.Popen([SERVER, f"127.0.0.1:{PORT}"], stdout=subprocess.DEVNULL)
try:
    for _ in range(100):
        try:
            first = [connect() for _ in range(100)]  # what is allocated once is no cost of a connection
            break
        except OSError:
            time.sleep(0.05)
    else:
        sys.exit("the server does not listen")
    time.sleep(0.5)
    before = rss(server.pid)
    socks = [connect() for _ in range(COUNT)]
    time.sleep(0.5)
    connected = rss(server.pid)
    for sock in socks:
        sock.sendall(MESSAGE)
        if DEFLATE:
            head = sock.recv(4, socket.MSG_WAITALL)
            size = {126: int.from_bytes(head[2:], "big"), 127: 0}.get(head[1], head[1] - 2)
            size = size or int.from_bytes(head[2:] + sock.recv(6, socket.MSG_WAITALL), "big")
            sock.recv(size, socket.MSG_WAITALL)
        else:
            assert sock.recv(100) == b"\x81\x05hello"
    time.sleep(0.5)
    after = rss(server.pid)
    print(f"{PATH}: {(connected - before) / COUNT:.0f} bytes per connection right after connect, "
          f"{(after - before) / COUNT:.0f} after one message ({COUNT} connections)")
finally:
    server.terminate()
    server.wait()
