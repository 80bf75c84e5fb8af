#!/usr/bin/env python3
"""Measures the server's RSS per socket: after the handshake, and after a message.

    cargo build --release -p tests && python3 tests/memory/idle.py

COUNT=10000 sets the number of sockets, SIZE=65535 the size of the message. DEFLATE=1 offers permessage-deflate
and sends compressed messages; the handlers at URL_PATH=/15-8, /12-5, /9-1, /inflate and /alone accept. TLS=1
uses TLS. HTTP2=100 opens a hundred sockets per HTTP/2 connection.
"""
import os, resource, socket, ssl, subprocess, sys, time, zlib

PORT = int(os.environ.get("PORT", "9023"))
SERVER = os.environ.get("SERVER", "target/release/memory-server")
PATH = os.environ.get("URL_PATH", "/")
COUNT = int(os.environ.get("COUNT", "5000"))
DEFLATE, TLS = "DEFLATE" in os.environ, "TLS" in os.environ
STREAMS = int(os.environ.get("HTTP2", "0"))
assert not (DEFLATE and STREAMS), "compression is measured over HTTP/1.1"
OFFER = "Sec-WebSocket-Extensions: permessage-deflate\r\n" if DEFLATE else ""
REQUEST = (f"GET {PATH} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{OFFER}\r\n").encode()
SIZE = int(os.environ.get("SIZE", "5"))
LENGTH = bytes([SIZE]) if SIZE < 126 else b"\x7e" + SIZE.to_bytes(2, "big")
# The masking key is zero.
MESSAGE = b"\x81" + bytes([LENGTH[0] | 0x80]) + LENGTH[1:] + bytes(4) + b"x" * SIZE
ANSWER = b"\x81" + LENGTH + b"x" * SIZE
if DEFLATE:
    codec = zlib.compressobj(wbits=-15)
    # Enough to fill the windows of both directions.
    text = b"".join(b"%08d" % (n * 7919 % 100_000_000) for n in range(8192))
    payload = (codec.compress(text) + codec.flush(zlib.Z_SYNC_FLUSH))[:-4]
    MESSAGE = b"\xc1\xfe" + len(payload).to_bytes(2, "big") + bytes(4) + payload


def rss(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


def read(sock, size):
    data = b""
    while len(data) < size:
        more = sock.recv(size - len(data))
        assert more, "the server closed the connection"
        data += more
    return data


class Socket:
    """A WebSocket over HTTP/1.1."""

    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def __init__(self):
        self.sock = socket.create_connection(("127.0.0.1", PORT))
        if TLS:
            self.sock = self.context.wrap_socket(self.sock)
        self.sock.sendall(REQUEST)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.sock.recv(1)

    def echo(self):
        self.sock.sendall(MESSAGE)
        if not DEFLATE:
            assert read(self.sock, len(ANSWER)) == ANSWER
            return
        size = read(self.sock, 2)[1]
        extended = {126: 2, 127: 8}.get(size, 0)
        size = int.from_bytes(read(self.sock, extended), "big") if extended else size
        read(self.sock, size)


class Connection:
    """An HTTP/2 connection without TLS."""

    def __init__(self):
        self.sock = socket.create_connection(("127.0.0.1", PORT))
        self.next = 1
        self.sock.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + self.frame(4, 0, 0, b""))

    @staticmethod
    def frame(kind, flags, stream, payload):
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    def until(self, kind, stream):
        """Returns the payload of a frame of a stream; skips others and acknowledges settings."""
        while True:
            head = read(self.sock, 9)
            payload = read(self.sock, int.from_bytes(head[:3], "big"))
            if head[3] == 4 and not head[4]:
                self.sock.sendall(self.frame(4, 1, 0, b""))
            assert head[3] not in (3, 7), (head, payload)
            if (head[3], int.from_bytes(head[5:], "big")) == (kind, stream):
                return payload

    def open(self):
        stream, self.next = self.next, self.next + 2
        headers = {":method": "CONNECT", ":protocol": "websocket", ":scheme": "http", ":path": PATH,
                   ":authority": "x", "sec-websocket-version": "13"}
        coded = (b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
                 for name, value in headers.items())
        self.sock.sendall(self.frame(1, 4, stream, b"".join(coded)))
        self.until(1, stream)
        return Stream(self, stream)


class Stream:
    """A WebSocket in a stream."""

    def __init__(self, connection, stream):
        self.connection, self.stream = connection, stream

    def echo(self):
        self.connection.sock.sendall(self.connection.frame(0, 0, self.stream, MESSAGE))
        answer = b""
        while len(answer) < len(ANSWER):
            answer += self.connection.until(0, self.stream)
        # Restores the windows.
        increment = len(answer).to_bytes(4, "big")
        self.connection.sock.sendall(b"".join(self.connection.frame(8, 0, n, increment) for n in (0, self.stream)))
        assert answer == ANSWER


def sockets(count):
    if not STREAMS:
        return [Socket() for _ in range(count)]
    connections = (Connection() for _ in range(-(-count // STREAMS)))
    return [connection.open() for connection in connections for _ in range(STREAMS)][:count]


resource.setrlimit(resource.RLIMIT_NOFILE, (20_000, 20_000))
server = subprocess.Popen([SERVER, f"127.0.0.1:{PORT}"] + ["--tls"] * TLS, stdout=subprocess.DEVNULL)
try:
    for _ in range(100):
        try:
            first = sockets(100)  # excludes one-time allocations
            break
        except OSError:
            time.sleep(0.05)
    else:
        sys.exit("the server did not start to listen")
    for sock in first:
        sock.echo()
    time.sleep(0.5)
    before = rss(server.pid)
    socks = sockets(COUNT)
    time.sleep(0.5)
    connected = rss(server.pid)
    for sock in socks:
        sock.echo()
    time.sleep(0.5)
    after = rss(server.pid)
    how = f"{'wss' if TLS else 'ws'}{f', {STREAMS} on each HTTP/2 connection' if STREAMS else ''}"
    print(f"{PATH} ({how}{', compressed' if DEFLATE else ''}): {(connected - before) / COUNT:.0f} bytes per socket right "
          f"after the handshake, {(after - before) / COUNT:.0f} after one message of {len(MESSAGE)} bytes ({COUNT} sockets)")
finally:
    server.terminate()
    server.wait()
