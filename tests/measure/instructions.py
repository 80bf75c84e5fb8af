#!/usr/bin/env python3
"""User-space instructions that the server beside this script spends on a 64-byte text message: two runs under
callgrind that differ in the number of messages, subtracted.

    cargo build --release -p tests && python3 tests/measure/instructions.py
"""
import os, re, signal, socket, subprocess, sys, tempfile, time

PORT = int(os.environ.get("PORT", "9021"))
SERVER = os.environ.get("SERVER", "target/release/measure-server")
PATH = os.environ.get("URL_PATH", "/")
BATCH = int(os.environ.get("BATCH", "1"))  # messages in flight


def connect():
    for _ in range(200):
        try:
            return socket.create_connection(("127.0.0.1", PORT))
        except OSError:
            time.sleep(0.1)
    sys.exit("the server does not listen")


def read_exactly(sock, count):
    while count:
        data = sock.recv(min(count, 1 << 16))
        if not data:
            sys.exit("the server closed")
        count -= len(data)


def run(messages):
    with tempfile.TemporaryDirectory() as folder:
        out = os.path.join(folder, "callgrind")
        server = subprocess.Popen(
            ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", SERVER, f"127.0.0.1:{PORT}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        sock = connect()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.sendall(f"GET {PATH} HTTP/1.1\r\n".encode() + b"Host: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += sock.recv(1)
        frame = (b"\x81\xc0\x01\x02\x03\x04" + bytes(b ^ k for b, k in zip(b"x" * 64, b"\x01\x02\x03\x04" * 16))) * BATCH
        for _ in range(messages // BATCH):
            sock.sendall(frame)
            read_exactly(sock, 66 * BATCH)
        sock.close()
        server.send_signal(signal.SIGINT)
        server.wait()
        return int(re.search(r"^(?:totals|summary): (\d+)", open(out).read(), re.M).group(1))


few, many = 2_000, 12_000
a, b = run(few), run(many)
print(f"{(b - a) / (many - few):.0f} instructions per message ({BATCH} in flight)")
