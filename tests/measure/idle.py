#!/usr/bin/env python3
"""Bytes of RSS that a connection costs the server beside this script: right after the handshake,
and after one message.

    cargo build --release -p tests && python3 tests/measure/idle.py
"""
import os, resource, socket, subprocess, sys, time

PORT = int(os.environ.get("PORT", "9023"))
SERVER = os.environ.get("SERVER", "target/release/measure-server")
PATH = os.environ.get("URL_PATH", "/")
COUNT = int(os.environ.get("COUNT", "5000"))
REQUEST = (f"GET {PATH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode()
MESSAGE = b"\x81\x85\x01\x02\x03\x04" + bytes(b ^ k for b, k in zip(b"hello", b"\x01\x02\x03\x04\x01"))


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
        assert sock.recv(100) == b"\x81\x05hello"
    time.sleep(0.5)
    after = rss(server.pid)
    print(f"{PATH}: {(connected - before) / COUNT:.0f} bytes per connection right after connect, "
          f"{(after - before) / COUNT:.0f} after one message ({COUNT} connections)")
finally:
    server.terminate()
    server.wait()
