#!/usr/bin/env python3
"""Writes the hand-picked seeds to tests/fuzz/seeds, next to the inputs that a fuzzer found."""

import struct
import zlib
from pathlib import Path

SEEDS = Path(__file__).parent / "seeds"
KEY = bytes([0x37, 0xFA, 0x21, 0x3D])
HELLO = bytes([0xF2, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00])


def seed(target, name, *parts):
    path = SEEDS / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(bytes([part]) if isinstance(part, int) else part for part in parts))


def frame(first, payload=b""):
    """Returns a masked frame, as a client sends it."""
    length = len(payload)
    if length < 126:
        head = bytes([first, 0x80 | length])
    elif length < 65536:
        head = struct.pack(">BBH", first, 0xFE, length)
    else:
        head = struct.pack(">BBQ", first, 0xFF, length)
    return head + KEY + bytes(byte ^ KEY[i % 4] for i, byte in enumerate(payload))


def deflated(text, level=6):
    codec = zlib.compressobj(level, zlib.DEFLATED, -15)
    return (codec.compress(text) + codec.flush(zlib.Z_SYNC_FLUSH))[:-4]


def cuts(*distances):
    return bytes([len(distances), *distances])


STREAMS = {
    "text": frame(0x81, "Hello, κόσμε".encode()) + frame(0x81),
    "binary": frame(0x82, bytes(range(130))),
    "fragments": frame(0x01, b"Hel") + frame(0x89, b"ping") + frame(0x00) + frame(0x80, b"lo"),
    "controls": frame(0x89, b"a") + frame(0x8A, b"b") + frame(0x88, b"\x03\xe8bye"),
    "close-empty": frame(0x82, b"x") + frame(0x88),
    "close-1014": frame(0x88, struct.pack(">H", 1014)),
    "close-1005": frame(0x88, struct.pack(">H", 1005)),
    "bad-utf8": frame(0x01, b"ab\xce") + frame(0x80, b"a"),
    "not-masked": b"\x81\x05Hello",
    "not-minimal": b"\x82\xfe\x00\x01" + KEY + b"x",
    "too-big": frame(0x02, b"a" * 120) + frame(0x80, b"b" * 120),
}
for name, stream in STREAMS.items():
    seed("decoder", name, 0b010_000, cuts(1, 4, 7), stream)
    seed("against_tungstenite", name, 0, cuts(1, 4, 7), stream)

TAKEOVER = 0b100_110
seed("decoder", "compressed", TAKEOVER, cuts(3, 9), frame(0xC1, HELLO), frame(0xC1, b"\xf2\x00\x11\x00\x00"))
seed("decoder", "compressed-fragments", TAKEOVER, cuts(8), frame(0x41, HELLO[:3]), frame(0x80, HELLO[3:]))
seed("decoder", "compressed-bomb", TAKEOVER, cuts(30, 30), frame(0xC2, deflated(bytes(6000))))
seed("decoder", "compressed-bad-text-that-is-too-big", 0b001_110, cuts(7, 1, 1), frame(0xC1, deflated(b"a\xff" + b"a" * 30)))

AGAIN = b"\xf2\x00\x11\x00\x00"
FINAL = bytes([0xF3, 0x48, 0xCD, 0xC9, 0xC9, 0x07, 0x00, 0x00])
STORED = bytes([0x00, 0x05, 0x00, 0xFA, 0xFF]) + b"Hello" + b"\x00"
TWO_BLOCKS = bytes([0xF2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0xCA, 0xC9, 0xC9, 0x07, 0x00])
DYNAMIC = deflated(bytes(range(97, 105)) * 9 + b"the quick brown fox jumps over the lazy dog" * 5, 9)
COMPRESSED = {
    "hello": [HELLO, AGAIN, AGAIN],
    "stored": [STORED, AGAIN],
    "final": [FINAL, AGAIN, FINAL[:-1], FINAL + HELLO],
    "two-blocks": [TWO_BLOCKS],
    "nothing": [b"\x00", b"", b"\x01", HELLO],
    "dynamic": [DYNAMIC, DYNAMIC],
    "too-early": [HELLO[:4]],
    "too-big": [deflated(bytes(1000))],
    "half-a-character": [deflated(b"caf\xc3"), deflated(b"\xa9")],
}
for name, payloads in COMPRESSED.items():
    parts = b"".join(bytes([len(payload)]) + payload for payload in payloads)
    seed("inflate", name, 0b1100 if name == "dynamic" else 0b0100, cuts(2, 5, 9), 3, parts)
seed("inflate", "no-takeover", 0b0101, cuts(), 255, 7, HELLO, 7, HELLO, len(AGAIN), AGAIN)
seed("inflate", "binary", 0b0110, cuts(), 255, 255, deflated(b"\xff\xfe" * 20))

END, AGAIN_AND_AGAIN, NOISE = 0x80, 0x40, 0x3F
WORDS = bytes([20]) + b"a text to come back." + bytes([END | 20]) + b"as it was, piecewise"
LONG = bytes([AGAIN_AND_AGAIN | 26]) + bytes(range(97, 123)) + bytes([255])
seed("roundtrip", "words", 6, 7, 6, 0, cuts(3, 50), 1, 0b11_10_01_00, WORDS, WORDS)
seed("roundtrip", "no-takeover", 9, 8, 6, 3, cuts(), 255, 0, WORDS, LONG, END, LONG)
seed("roundtrip", "small-window", 9, 0, 0, 0, cuts(200), 9, 0b01_01_01_01, NOISE, 1, 9, LONG, END | NOISE, 1, 9, LONG)
seed("roundtrip", "noise", 1, 7, 6, 1, cuts(200), 200, 0b11_11_11_11, END | NOISE, 5, 150, END | NOISE, 5, 150)
seed("roundtrip", "level-0", 0, 8, 2, 0, cuts(), 20, 0b10_10_10_10, END | NOISE, 7, 40, WORDS)
seed("roundtrip", "nothing", 6, 7, 6, 0, cuts(), 0, 0, END, END, WORDS, END)


def head(line, *lines):
    return "\r\n".join([line, *lines, "", ""]).encode()


GET = ["Host: a.example", "Upgrade: websocket", "Connection: keep-alive, Upgrade",
       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13"]
CONNECT = ["Sec-WebSocket-Version: 13", "Origin: https://a.example"]
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate"
HTTP2, WEBSOCKET = 0x80, 0x04
LARGEST = 0xFF
HEADS = {
    "rfc": (0, LARGEST, 4, head("GET /chat/lobby HTTP/1.1", *GET, "Origin: http://a.example:80")),
    "subprotocol": (0, 0, 4, head("GET /chat/a%20b/c/%ff HTTP/1.1", *GET, "Sec-WebSocket-Protocol: mqtt, chat.v1, chat.v2")),
    "origins": (1, 0, 4, head("GET /7/9 HTTP/1.1", *GET, "Origin: https://app.example", "Sec-WebSocket-Origin: null")),
    "deflate": (2, LARGEST, 0, head("GET /x/y HTTP/1.1", *GET, DEFLATE + "; client_max_window_bits")),
    "deflate-small": (2, 0x9A, 3, head("GET / HTTP/1.1", *GET, DEFLATE + '; server_max_window_bits="1\\1"; client_max_window_bits=12, permessage-deflate')),
    "deflate-alone": (2, LARGEST, 0, head("GET / HTTP/1.1", *GET, DEFLATE + "; server_no_context_takeover; client_no_context_takeover", DEFLATE)),
    "connect": (HTTP2 | WEBSOCKET, LARGEST, 0, head("CONNECT https://a.example/chat/lobby HTTP/1.1", *CONNECT, DEFLATE)),
    "no-host": (0, 0, 0, head("GET / HTTP/1.1", "Host: \xe4.example", *GET[1:])),
    "version-12": (0, 0, 0, head("GET / HTTP/1.1", *GET[:4], "Sec-WebSocket-Version: 12")),
    "body": (0, 0, 0, head("GET / HTTP/1.1", *GET, "Content-Length: 0", "Content-Length: 5")),
}
for name, parts in HEADS.items():
    seed("handshake", name, *parts)

READ, READ_AHEAD, TEXT, BINARY, PING, WRITE, TICK, DELIVER, SET, SHUT, CLOSE = 0, 3, 5, 6, 7, 9, 10, 11, 12, 15, 14
COMPRESSES, TAKEOVER, ECHOES, ALL = 2, 4, 8, 0xF0


def read(data, how=READ):
    return b"".join(bytes([how, len(part)]) + part for part in (data[i:i + 255] for i in range(0, len(data), 255)))


def say(kind, data, times=None):
    return bytes([kind | len(data) << 4]) + data + (b"" if times is None else bytes([times]))


for name, stream in STREAMS.items():
    if name in ("fragments", "controls", "close-empty", "bad-utf8"):
        seed("connection", name, ECHOES, read(stream), WRITE | ALL)
seed("connection", "commands", 0, say(TEXT, b"hello", 3), say(BINARY, b"\xff", 200), say(PING, b"?"), WRITE, 9, say(CLOSE, b""), 7)
seed("connection", "compressed", COMPRESSES | TAKEOVER | ECHOES, read(frame(0xC1, HELLO) + frame(0xC1, AGAIN)), say(TEXT, b"Hello", 90))
seed("connection", "ahead", ECHOES, read(frame(0x81, b"a") + frame(0x89, b"b") + frame(0x88), READ_AHEAD), WRITE | ALL, DELIVER)
seed("connection", "pressed", ECHOES, say(BINARY, b"x", 250), read(frame(0x81, b"waits")), WRITE, 200, DELIVER, read(b""))
seed("connection", "overflow", 0, *[say(BINARY, b"x" * 15, 133)] * 3, WRITE, 100)
seed("connection", "after-the-close", ECHOES, say(CLOSE, b""), 7, say(TEXT, b"late", 2), read(frame(0x81, b"a") + frame(0x88)))
seed("connection", "inactive", ECHOES, SET | 0x10, read(frame(0x81, b"a")), SET, read(frame(0x81, b"b")), SHUT, DELIVER)
seed("connection", "time", 1, TICK, 60, read(frame(0x8A)), TICK, 60, TICK, 200, TICK, 200)
seed("connection", "lost", 0, say(TEXT, b"x", 20), WRITE, 5, SHUT | 0x20, SHUT | 0x10)

ENVELOPES = {
    "call": rb'{"jsonrpc": "2.0", "method": "add", "params": [1, 2], "id": 1}',
    "call-by-name": rb'{"id": "a\u0062", "params": {"a": 1e400}, "m\u0065thod": "a\n", "jsonrpc": "2.0"}',
    "notification": rb'{"jsonrpc":"2.0","method":"typing"}',
    "id-null": rb'{"jsonrpc":"2.0","method":"add","id":null}',
    "id-of-another-kind": rb'{"jsonrpc":"2.0","method":"add","id":{}}',
    "id-twice": rb'{"jsonrpc":"2.0","method":"add","id":1,"id":2}',
    "version": rb'{"jsonrpc":2,"method":"add","id":1}',
    "result": rb'{"jsonrpc":"2.0","result":null,"id":1}',
    "error": rb'{"jsonrpc":"2.0","error":{"code":-1,"message":"no","data":[]},"id":1}',
    "batch": rb'[{"jsonrpc":"2.0","method":"a","id":-0.5},{"jsonrpc":"2.0","result":1,"id":2},[],1]',
    "batch-empty": b"[]",
    "tagged": rb'{"type":"typing","room":"lobby"}',
    "tagged-call": rb'{"type":"add","a":1,"id":"x"}',
    "tagged-content": rb'{"event":"add","data":[1,2],"id":7}',
    "deep": b'{"jsonrpc":"2.0","method":"a","id":1,"params":' + b"[" * 70 + b"]" * 70 + b"}",
    "not-json": b"hello",
    "surrogate": rb'{"jsonrpc":"2.0","method":"\ud800","id":"\ud800"}',
}
for name, text in ENVELOPES.items():
    seed("envelope", name, text)
