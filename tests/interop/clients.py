"""The clients from PyPI, and Chromium. run.sh passes the server's URL."""
import asyncio
import http.server
import importlib.metadata
import json
import sys
import threading

import aiohttp
import chromium
import picows
import websockets

URL = sys.argv[1]
PAYLOADS = [
    "Hello",
    "",
    "κόσμε 🎈",
    "x" * 200_000,
    bytes([0, 255, 1]),
    b"",
    bytes(i * 31 & 255 for i in range(1 << 20)),
]


def report(name, checks, extensions, compresses=True):
    assert (extensions or "").startswith("permessage-deflate") == compresses, extensions
    print(f"{name:24} {checks} checks   {extensions or 'offers no extensions'}", flush=True)


def named(package):
    return f"{package} {importlib.metadata.version(package)}"


async def with_websockets():
    async with websockets.connect(URL, max_size=None) as client:
        for payload in PAYLOADS:
            await client.send(payload)
        for payload in PAYLOADS:
            assert await client.recv() == payload
        await client.send(["in ", "three ", "parts"])
        assert await client.recv() == "in three parts"
        await asyncio.wait_for(await client.ping(b"still there?"), 10)
        extensions = client.response.headers.get("Sec-WebSocket-Extensions")
    assert client.close_code == 1000, client.close_code
    report(named("websockets"), len(PAYLOADS) + 3, extensions)


async def with_aiohttp():
    async with aiohttp.ClientSession() as session:
        async with session.ws_connect(URL, max_msg_size=0, compress=15) as client:
            for payload in PAYLOADS:
                await (client.send_str if isinstance(payload, str) else client.send_bytes)(payload)
            for payload in PAYLOADS:
                assert (await client.receive(10)).data == payload
            extensions = client._response.headers.get("Sec-WebSocket-Extensions")
            await client.close(code=1000)
        assert client.close_code == 1000, client.close_code
    report(named("aiohttp"), len(PAYLOADS) + 1, extensions)


async def with_picows():
    received = asyncio.Queue()

    class Listener(picows.WSListener):
        def on_ws_frame(self, transport, frame):
            if frame.msg_type == picows.WSMsgType.TEXT:
                received.put_nowait(frame.get_payload_as_utf8_text())
            elif frame.msg_type == picows.WSMsgType.BINARY:
                received.put_nowait(frame.get_payload_as_bytes())
            elif frame.msg_type == picows.WSMsgType.PONG:
                received.put_nowait(("pong", frame.get_payload_as_bytes()))
            elif frame.msg_type == picows.WSMsgType.CLOSE:
                received.put_nowait(("close", frame.get_close_code()))
                transport.send_close(frame.get_close_code())
                transport.disconnect()

    transport, _ = await picows.ws_connect(Listener, URL, max_frame_size=1 << 26)
    for payload in PAYLOADS:
        kind = picows.WSMsgType.TEXT if isinstance(payload, str) else picows.WSMsgType.BINARY
        transport.send(kind, payload.encode() if isinstance(payload, str) else payload)
    for payload in PAYLOADS:
        assert await asyncio.wait_for(received.get(), 10) == payload
    transport.send_ping(b"still there?")
    assert await asyncio.wait_for(received.get(), 10) == ("pong", b"still there?")
    transport.send_close(picows.WSCloseCode.OK, b"done")
    assert await asyncio.wait_for(received.get(), 10) == ("close", 1000)
    await asyncio.wait_for(transport.wait_disconnected(), 10)
    report(named("picows"), len(PAYLOADS) + 2, None, compresses=False)


PAGE = """<!doctype html><script>
const payloads = () => ['Hello', '', 'κόσμε 🎈', 'x'.repeat(200000), new Uint8Array([0, 255, 1]),
                        new Uint8Array(0), new Uint8Array(1 << 20).map((_, i) => (i * 31) & 255)];
const same = (a, b) => typeof a === 'string' ? a === b
    : a.length === b.byteLength && new Uint8Array(b).every((byte, i) => byte === a[i]);
const tell = (what) => fetch('/result', { method: 'POST', body: JSON.stringify(what) });
const client = new WebSocket('URL');
client.binaryType = 'arraybuffer';
const expected = payloads();
let checks = 0;
client.onopen = () => payloads().forEach((payload) => client.send(payload));
client.onmessage = ({ data }) => {
    if (!same(expected[checks], data)) { tell({ error: `message ${checks} differs` }); return; }
    checks += 1;
    if (checks === expected.length) client.close(1000, 'done');
};
client.onclose = ({ code, wasClean }) =>
    tell({ checks, code, wasClean, extensions: client.extensions, agent: navigator.userAgent });
</script>"""


def with_chromium():
    result, done = {}, threading.Event()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = PAGE.replace("URL", URL).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self):
            result.update(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()
            done.set()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with chromium.at(f"http://127.0.0.1:{server.server_port}/"):
            assert done.wait(60), "Chromium said nothing for a minute"
    finally:
        server.shutdown()
    assert result.get("code") == 1000 and result["wasClean"] and result["checks"] == len(PAYLOADS), result
    report(chromium.name(result["agent"]), result["checks"] + 1, result["extensions"])


asyncio.run(with_websockets())
asyncio.run(with_aiohttp())
asyncio.run(with_picows())
with_chromium()
