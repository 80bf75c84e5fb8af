#!/usr/bin/env python3
"""Measures the memory of a server that receives large messages which are not complete.

    cargo build -p examples --example upload --example echo
    python3 tests/memory/uploads.py target/debug/examples/echo /
    python3 tests/memory/uploads.py target/debug/examples/upload /upload

COUNT=20 clients send all but the last byte of a message of SIZE=46000000 bytes. `echo` assembles its messages,
`upload` takes them in parts.
"""
import os, socket, subprocess, sys, time

PORT = int(os.environ.get("PORT", "9024"))
COUNT = int(os.environ.get("COUNT", "20"))
SIZE = int(os.environ.get("SIZE", "46000000"))
SERVER, PATH = sys.argv[1], sys.argv[2]
REQUEST = (f"GET {PATH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode()


def memory(pid):
    """Returns the resident memory without mapped files, now and at its peak, in bytes."""
    with open(f"/proc/{pid}/status") as status:
        fields = dict(line.split(":", 1) for line in status)
    return [int(fields[name].split()[0]) * 1024 for name in ("RssAnon", "VmHWM")]


def unread():
    """Returns the number of bytes that wait in the receive buffers of the server's sockets."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table][1:]
    return sum(int(row[4].split(":")[1], 16) for row in rows if row[1].endswith(f":{PORT:04X}"))


server = subprocess.Popen([SERVER, f"127.0.0.1:{PORT}"], stdout=subprocess.DEVNULL)
try:
    clients = []
    while len(clients) < COUNT:
        try:
            client = socket.create_connection(("127.0.0.1", PORT))
        except ConnectionRefusedError:
            time.sleep(0.1)
            continue
        client.sendall(REQUEST)
        assert client.recv(4096).startswith(b"HTTP/1.1 101")
        clients.append(client)
    before = memory(server.pid)[0]
    # The masking key is zero.
    start = b"\x82\xff" + SIZE.to_bytes(8, "big") + bytes(4)
    chunk = bytes(1_000_000)
    for client in clients:
        client.sendall(start)
    for at in range(0, SIZE - 1, len(chunk)):
        for client in clients:
            client.sendall(chunk[:min(len(chunk), SIZE - 1 - at)])
    while unread():
        time.sleep(0.1)
    time.sleep(1)
    after, peak = memory(server.pid)
    print(f"{COUNT} messages of {SIZE / 1e6:.0f} MB without their last byte: {(after - before) / 1e6:.1f} MB, "
          f"{(after - before) / COUNT / 1e3:.1f} kB each; peak of the process {peak / 1e6:.1f} MB")
    for client in clients:
        client.sendall(b"\0")
    for client in clients:
        assert client.recv(1), "the server closed the connection"
finally:
    server.kill()
    server.wait()
