// The connections that carry a session. Each is opened with the state of the session (`Session` in session.js)
// and callbacks:
//
// - `alive()`: something arrived.
// - `control(object)`: a control object arrived.
// - `message(data, number)`: a message arrived: a string or an `ArrayBuffer`; over HTTP with its number.
// - `acknowledged(number)`: the server has the messages up to a number.
// - `plain(subprotocol, extensions)`: the server does not speak the session protocol.
// - `lost()`: the connection has ended without a close frame.
// - `closed(code, reason, wasClean)`: the connection has ended with a close frame.
// - `failed(code, reason)`: the session cannot go on.
//
// A connection has `flush()`: sends what is in the queue, and the acknowledgement and the close that are due;
// `ping()` if the transport has one; `leave(code, reason)`: ends the session without waiting for the server;
// `drop()`: abandons the connection, but not the session.

import { eventParser } from "./events.js";

const SUBPROTOCOL = "ws-core.session.v1";

/** The code that closes a connection whose session another connection carries. */
const TAKEN_OVER = 4900;

/** The payload of one POST in bytes, unless one message is larger. */
const MAX_POST = 65_536;

/** Delay before a POST of a session without a current poll is sent again, in milliseconds, and how often. */
const POLL_GAP = 50, POLL_TRIES = 20;

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Opens a WebSocket, with the session protocol unless `isPlain`. */
export function openWebSocket(session, on, isPlain) {
  const { token, received, protocols, queue, options } = session;
  // Last, because some servers select the first subprotocol, whatever it is.
  const offered = isPlain ? protocols
    : [...protocols, SUBPROTOCOL, ...(token ? [`ws-core.resume.${token}.${received}`] : [])];
  const inner = new (options.WebSocket ?? globalThis.WebSocket)(session.url, offered);
  inner.binaryType = "arraybuffer";
  // npm's ws throws errors that nothing listens to. A close event follows each.
  inner.onerror = () => {};
  let isSession = false;
  const control = (object) => inner.send("\0" + JSON.stringify(object));
  inner.onopen = () => {
    isSession = inner.protocol === SUBPROTOCOL;
    if (!isSession) on.plain(inner.protocol, inner.extensions);
  };
  inner.onmessage = ({ data }) => {
    on.alive();
    if (isSession && data[0] === "\0") on.control(data.slice(1));
    else on.message(data);
  };
  inner.onclose = ({ code, reason, wasClean }) => code === 1006 ? on.lost() : on.closed(code, reason, wasClean);
  return {
    buffered: () => inner.bufferedAmount,
    ping: () => control({ ping: 1 }),
    flush() {
      for (let entry; (entry = queue[session.sent])?.data !== undefined;) {
        const { data } = entry;
        if (isSession && data[0] === "\0") control({ text: data });
        else inner.send(data);
        session.hand(1);
        // A plain WebSocket acknowledges nothing.
        if (!isSession) session.acknowledge(session.last);
      }
      if (session.isAckDue) {
        session.isAckDue = false;
        session.acked = session.received;
        control({ ack: session.received });
      }
      if (session.closing && session.sent === queue.length) inner.close(...session.closing);
    },
    leave: (code, reason) => inner.close(code < 3000 ? 1000 : code, reason),
    drop() {
      inner.onopen = inner.onmessage = null;
      // A close frame would end the session. The connection is closed when another one carries the session.
      const close = () => inner.close(TAKEN_OVER);
      if (inner.readyState) session.stale.add(close);
      else inner.close();
      inner.onclose = () => session.stale.delete(close);
    },
  };
}

/** Opens a response of server-sent events, or polls; with POSTs upwards. */
export function openHttp(session, on, isPolling) {
  const { url, protocols, queue, options } = session;
  const abort = new AbortController();
  // An abandoned connection must not change the session, which another one carries by then. Its fetches fail, but not
  // what it waits for otherwise.
  const current = async (promise) => {
    const value = await promise;
    abort.signal.throwIfAborted();
    return value;
  };
  const request = (headers, init) => (options.fetch ?? fetch)(url.replace(/^ws/, "http"), {
    credentials: options.credentials,
    cache: "no-store",
    signal: abort.signal,
    ...init,
    headers: { "ws-core-session": session.token ?? "new", ...headers },
  });
  const post = (body, init) =>
    request({ "content-type": "application/json" }, { method: "POST", body: JSON.stringify(body), ...init });

  let isAttached = false, hasSession;
  const dispatch = (type, data, number) => {
    if (type === "session") {
      hasSession = isAttached = true;
      on.control(data, number);
    } else {
      on.message(type === "binary" ? Uint8Array.from(atob(data), (char) => char.charCodeAt()).buffer : data, number);
    }
  };
  const receive = async () => {
    do {
      hasSession = false;
      session.acked = session.received;
      const response = await current(request({
        accept: isPolling ? "text/plain" : "text/event-stream",
        "last-event-id": "" + session.received,
        ...(protocols.length && { "ws-core-protocols": protocols.join(", ") }),
      }));
      // Another type is the answer of another program, for example the page of a captive portal.
      if (response.status !== 200 || !/^text\/(plain|event-stream)/.test(response.headers.get("content-type"))) break;
      const parse = eventParser(dispatch), reader = response.body.getReader(), decoder = new TextDecoder();
      for (let piece; !(piece = await current(reader.read())).done;) {
        on.alive();
        parse(decoder.decode(piece.value, { stream: true }));
      }
    } while (isPolling && hasSession);
    on.lost();
  };
  // A poll of a session that goes on has no answer until there is a message. The answer of a POST comes at once.
  const probe = async () => {
    for (let tries = 0; !isAttached && tries < POLL_TRIES; tries++) {
      await current(sleep(POLL_GAP * (tries + 1)));
      if (isAttached) return;
      const response = await current(post({}));
      if (response.status !== 200) continue;
      const { received } = await current(response.json());
      if (isAttached) return;
      isAttached = true;
      on.alive();
      on.control(JSON.stringify({ session: { token: session.token, resumed: true, received } }));
    }
  };
  receive().catch(on.lost);
  if (isPolling && session.token) probe().catch(on.lost);

  let isPosting = false, limit = MAX_POST;
  const send = async () => {
    for (let gaps = 0; ;) {
      const messages = [];
      for (let size = 0, entry; (entry = queue[messages.length])?.data !== undefined;) {
        size += entry.size;
        if (messages.length && size > limit) break;
        messages.push(typeof entry.data === "string" ? entry.data : { binary: base64(entry.data) });
      }
      const isLast = session.closing && messages.length === queue.length;
      if (!messages.length && !isLast && (isPolling || !session.isAckDue)) {
        isPosting = false;
        return;
      }
      const [code = 1000, reason = ""] = session.closing ?? [];
      const last = session.first + messages.length - 1, ack = session.received;
      session.isAckDue = false;
      session.acked = ack;
      session.sent = 0;
      session.hand(messages.length);
      const timer = setTimeout(on.lost, session.interval + options.pongTimeout);
      const response = await current(post({
        ...(messages.length && { first: session.first, messages }),
        ack,
        ...(isLast && { close: { code, reason } }),
      }).finally(() => clearTimeout(timer)));
      if (response.status === 413) {
        if (messages.length < 2) return on.failed(1009, "message too big for the server");
        limit /= 2;
      } else if (isPolling && response.status === 409 && gaps++ < POLL_TRIES) {
        // The next poll has not arrived yet.
        await current(sleep(POLL_GAP * gaps));
      } else if (!response.ok) {
        return on.lost();
      } else {
        const { received } = await current(response.json());
        gaps = 0;
        on.acknowledged(received);
        session.sent = 0;
        if (isLast && received >= last) return on.closed(code, reason, true);
      }
    }
  };
  return {
    buffered: () => 0,
    flush() {
      if (isPosting || !isAttached) return;
      isPosting = true;
      send().catch(on.lost);
    },
    // The request outlives the page.
    leave: (code, reason) => {
      if (session.token) post({ close: { code, reason } }, { keepalive: true, signal: null }).catch(() => {});
    },
    drop: () => abort.abort(),
  };
}

function base64(buffer) {
  let binary = "";
  for (const byte of new Uint8Array(buffer)) binary += String.fromCharCode(byte);
  return btoa(binary);
}
