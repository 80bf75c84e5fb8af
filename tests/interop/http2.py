#!/usr/bin/env python3
"""WebSockets over HTTP/2 with an independent client: PyPI's h2 for the streams, wsproto for the
frames. Run by run.sh beside this file against examples/echo and examples/wss.

    http2.py HOST:PORT PATH SUFFIX [--tls]

The server appends SUFFIX to each text.
"""
import socket
import ssl
import sys

import h2.config
import h2.connection
import h2.events
import h2.settings
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage


class Client:
    """An HTTP/2 connection that collects the events of its streams."""

    def __init__(self, addr, tls):
        host, port = addr.rsplit(":", 1)
        self.sock = socket.create_connection((host, int(port)), timeout=10)
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            context.set_alpn_protocols(["h2", "http/1.1"])
            self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
            assert self.sock.selected_alpn_protocol() == "h2", self.sock.selected_alpn_protocol()
        self.scheme = "https" if tls else "http"
        self.addr = addr
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.events = []
        self.flush()
        self.wait(lambda event: isinstance(event, h2.events.RemoteSettingsChanged))
        code = h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL
        assert self.h2.remote_settings[code] == 1, "the extended CONNECT is offered"

    def flush(self):
        self.sock.sendall(self.h2.data_to_send())

    def wait(self, fits):
        """Returns the first event that matches, and keeps the others."""
        while True:
            for at, event in enumerate(self.events):
                if fits(event):
                    return self.events.pop(at)
            data = self.sock.recv(65536)
            assert data, "the server hung up"
            for event in self.h2.receive_data(data):
                if isinstance(event, h2.events.DataReceived) and event.flow_controlled_length:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                self.events.append(event)
            self.flush()

    def request(self, path, *more, method="CONNECT", protocol="websocket"):
        stream = self.h2.get_next_available_stream_id()
        headers = [(":method", method), (":scheme", self.scheme), (":path", path), (":authority", self.addr)]
        if protocol:
            headers.append((":protocol", protocol))
        self.h2.send_headers(stream, headers + list(more), end_stream=method == "GET")
        self.flush()
        answer = self.wait(lambda event: isinstance(event, h2.events.ResponseReceived) and event.stream_id == stream)
        return stream, dict(answer.headers)

    def open(self, path):
        origin = ("origin", f"{self.scheme}://{self.addr}")
        stream, headers = self.request(path, ("sec-websocket-version", "13"), origin)
        assert headers[":status"] == "200", headers
        return Socket(self, stream)


class Socket:
    """A WebSocket in a stream."""

    def __init__(self, client, stream):
        self.client, self.stream = client, stream
        self.ws = Connection(ConnectionType.CLIENT)

    def send(self, event):
        self.raw(self.ws.send(event))

    def raw(self, data):
        while data:
            room = self.client.h2.local_flow_control_window(self.stream)
            if room == 0:
                self.client.wait(lambda event: isinstance(event, h2.events.WindowUpdated))
                continue
            room = min(room, self.client.h2.max_outbound_frame_size)
            self.client.h2.send_data(self.stream, data[:room])
            self.client.flush()
            data = data[room:]

    def of_stream(self):
        kinds = (h2.events.DataReceived, h2.events.StreamEnded, h2.events.StreamReset)
        return self.client.wait(lambda event: isinstance(event, kinds) and event.stream_id == self.stream)

    def next(self):
        """Returns the next frame of the server."""
        while True:
            for event in self.ws.events():
                return event
            event = self.of_stream()
            assert isinstance(event, h2.events.DataReceived), event
            self.ws.receive_data(event.data)

    def message(self):
        """Returns the next message, reassembled."""
        parts = []
        while True:
            event = self.next()
            assert isinstance(event, (TextMessage, BytesMessage)), event
            parts.append(event.data)
            if event.message_finished:
                return type(event.data)().join(parts)

    def ended(self):
        """Waits for END_STREAM without a reset."""
        while True:
            event = self.of_stream()
            if isinstance(event, h2.events.DataReceived):
                assert not event.data, event
                continue
            assert isinstance(event, h2.events.StreamEnded), event
            return self.client.h2.end_stream(self.stream), self.client.flush()


def main(addr, path, suffix, tls):
    client = Client(addr, tls)
    one, other = client.open(path), client.open(path)
    for size in (0, 1, 125, 126, 65535, 65536, 300_000):
        one.send(TextMessage("x" * size))
        assert one.message() == "x" * size + suffix, size
    other.send(TextMessage("half ", message_finished=False))
    other.send(Ping(b"between"))
    other.send(TextMessage("a message"))
    assert other.next() == Pong(b"between")
    assert other.message() == "half a message" + suffix
    print("echo, fragments, ping: ok")

    one.send(CloseConnection(1000, "bye"))
    close = one.next()
    assert isinstance(close, CloseConnection) and close.code == 1000, close
    one.ended()
    other.send(TextMessage("alive"))
    assert other.message() == "alive" + suffix
    print("close and END_STREAM, the other goes on: ok")

    lost = client.open(path)
    client.h2.reset_stream(lost.stream, 8)
    client.flush()
    other.send(TextMessage("alive"))
    assert other.message() == "alive" + suffix
    print("reset, the other goes on: ok")

    bad = client.open(path)
    bad.raw(b"\x81\x02no mask")
    close = bad.next()
    assert isinstance(close, CloseConnection) and close.code == 1002, close
    bad.send(close.response())
    bad.ended()
    print("close code after a protocol error, and END_STREAM: ok")

    version = ("sec-websocket-version", "13")
    cases = [
        (dict(path="/nowhere"), [version], "404"),
        (dict(path=path), [], "426"),
        # The echo allows all origins.
        (dict(path=path), [version, ("origin", "https://evil.example")], "403" if tls else "200"),
        (dict(path=path, protocol="connect-udp"), [version], "501"),
        (dict(path=path, method="GET", protocol=None), [version], "405"),
    ]
    for request, more, status in cases:
        _, headers = client.request(request.pop("path"), *more, **request)
        assert headers[":status"] == status, (request, headers)
    print("refusals: ok")

    # The upgrade of HTTP/1.1 in an HTTP/2 request.
    old = ("connection", "upgrade"), ("upgrade", "websocket"), version
    client.h2.config.validate_outbound_headers = False
    client.h2.config.normalize_outbound_headers = False
    stream = client.h2.get_next_available_stream_id()
    head = [(":method", "GET"), (":scheme", client.scheme), (":path", path), (":authority", addr), *old]
    client.h2.send_headers(stream, head, end_stream=True)
    client.flush()
    reset = client.wait(lambda event: isinstance(event, h2.events.StreamReset) and event.stream_id == stream)
    assert reset.error_code == 1, reset
    other.send(TextMessage("alive"))
    assert other.message() == "alive" + suffix
    print("HTTP/1.1's upgrade is malformed: ok")


if __name__ == "__main__":
    arguments = [argument for argument in sys.argv[1:] if argument != "--tls"]
    main(*arguments, tls="--tls" in sys.argv)
