// The connections that carry a session. Each is opened with the state of the session (`Session` in session.js), which
// it only reads; with a `link`, which has its own state; and with callbacks, which do nothing once it is abandoned:
//
// - `alive()`: something arrived.
// - `control(object)`: a control object arrived.
// - `message(data, number)`: a message arrived: a string or an `ArrayBuffer`; over HTTP with its number.
// - `sent(number)`: the server may have the messages up to a number.
// - `acknowledged(number)`: the server has the messages up to a number.
// - `plain(subprotocol, extensions)`: the server does not speak the session protocol.
// - `lost()`: the connection has ended without a close frame.
// - `closed(code, reason, wasClean)`: the connection has ended with a close frame.
// - `failed(code, reason)`: the session cannot go on.
//
// The state is `sent`, the number of the last message that this connection has; `acked`, that of the last message that
// it has acknowledged; and `isAckDue`. A connection adds `flush()`: sends what is in the queue, and the acknowledgement
// and the close that are due;
// `ping()` if the transport has one; `leave(code, reason)`: ends the session without waiting for the server;
// `drop()`: abandons the connection, but not the session.

import { eventParser } from "./events.js";
import { TAKEN_OVER } from "./session.js";

const SUBPROTOCOL = "ws-core.session.v1";

/** The payload of one POST in bytes, unless one message is larger. */
const MAX_POST = 65_536;

/** Delay before a POST that has overtaken its poll is sent again, in milliseconds, and how often. */
const POLL_GAP = 50, POLL_TRIES = 20;

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Opens a WebSocket, with the session protocol unless `isPlain`. */
export function openWebSocket(session, link, on, isPlain) {
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
  Object.assign(link, {
    buffered: () => inner.bufferedAmount,
    ping: () => control({ ping: 1 }),
    flush() {
      let number = Math.max(link.sent + 1, session.first);
      for (let entry; (entry = queue[number - session.first])?.data !== undefined;) {
        const { data } = entry;
        if (isSession && data[0] === "\0") control({ text: data });
        else inner.send(data);
        on.sent(link.sent = number++);
        // A plain WebSocket acknowledges nothing.
        if (!isSession) on.acknowledged(link.sent);
      }
      if (link.isAckDue) {
        link.isAckDue = false;
        control({ ack: link.acked = session.received });
      }
      if (session.closing && number - session.first === queue.length) inner.close(...session.closing);
    },
    leave: (code, reason) => inner.close(code < 3000 ? 1000 : code, reason),
    drop() {
      inner.onopen = inner.onmessage = null;
      // A close frame would end the session. The connection is closed when another one carries the session.
      const close = () => inner.close(TAKEN_OVER);
      if (inner.readyState === 1) session.stale.add(close);
      else if (!inner.readyState) inner.close();
      inner.onclose = () => session.stale.delete(close);
    },
  });
}

/** Opens a response of server-sent events, or polls; with POSTs upwards. */
export function openHttp(session, link, on, isPolling) {
  const { url, protocols, queue, options } = session;
  const abort = new AbortController();
  let isDropped = false, isLeaving = false;
  const request = async (headers, init) => {
    // An abandoned connection sends nothing more, whatever it has waited for.
    if (isDropped) throw abort;
    return (options.fetch ?? fetch)(url.replace(/^ws/, "http"), {
      credentials: options.credentials,
      cache: "no-store",
      signal: abort.signal,
      ...init,
      headers: { "ws-core-session": session.token ?? "new", ...headers },
    });
  };
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
      link.acked = session.received;
      const response = await request({
        accept: isPolling ? "text/plain" : "text/event-stream",
        "last-event-id": "" + session.received,
        ...(protocols.length && { "ws-core-protocols": protocols.join(", ") }),
      });
      // Another type is the answer of another program, for example the page of a captive portal.
      if (response.status !== 200 || !/^text\/(plain|event-stream)/.test(response.headers.get("content-type"))) break;
      const parse = eventParser(dispatch), reader = response.body.getReader(), decoder = new TextDecoder();
      for (let piece; !(piece = await reader.read()).done;) {
        on.alive();
        parse(decoder.decode(piece.value, { stream: true }));
      }
    } while (isPolling && hasSession);
    on.lost();
  };

  // One POST after another, until nothing is left. A POST without messages comes first if no answer has shown yet that
  // the session goes on.
  let isPosting = false, limit = MAX_POST;
  const send = async () => {
    isPosting = true;
    for (let gaps = 0; ;) {
      const { token, first, closing, received: ack } = session, messages = [];
      for (let size = 0, entry; isAttached && (entry = queue[messages.length])?.data !== undefined;) {
        size += entry.size;
        if (messages.length && size > limit) break;
        messages.push(typeof entry.data === "string" ? entry.data : { binary: base64(entry.data) });
      }
      const isLast = isAttached && closing && messages.length === queue.length;
      if (isAttached && !messages.length && !isLast && (isPolling || !link.isAckDue)) {
        isPosting = false;
        return;
      }
      const [code = 1000, reason = ""] = closing ?? [];
      link.isAckDue = false;
      link.acked = ack;
      on.sent(link.sent = first + messages.length - 1);
      const timer = setTimeout(on.lost, session.interval + options.pongTimeout);
      const response = await post({
        ...(messages.length && { first, messages }),
        ack,
        ...(isLast && { close: { code, reason } }),
      }).finally(() => clearTimeout(timer));
      const { received } = response.ok ? await response.json() : {};
      // A poll has begun a new session meanwhile, and its messages have other numbers.
      if (token !== session.token) continue;
      if (response.ok) {
        gaps = 0;
        if (isAttached) {
          on.acknowledged(received);
        } else {
          // A poll that resumes a session has no answer until there is a message.
          isAttached = true;
          on.control(JSON.stringify({ session: { token, resumed: true, received } }));
        }
        if (isLast && received >= link.sent) return on.closed(code, reason, true);
        link.sent = 0;
      } else if (response.status === 413) {
        if (messages.length < 2) return on.failed(1009, "message too big for the server");
        limit /= 2;
      } else if (isPolling && (response.status === 409 || !isAttached) && gaps++ < POLL_TRIES) {
        // The next poll has not arrived yet.
        await sleep(POLL_GAP * gaps);
      } else {
        return on.lost();
      }
    }
  };
  // The server may read a POST only after it is rid of a large message, which waits for an acknowledgement: that waits for
  // no POST. A poll has its own.
  let isAcknowledging = false;
  const acknowledge = async () => {
    isAcknowledging = true;
    for (; link.isAckDue; ) {
      link.isAckDue = false;
      const ack = link.acked = session.received;
      const timer = setTimeout(on.lost, session.interval + options.pongTimeout);
      const response = await post({ ack }).finally(() => clearTimeout(timer));
      if (!response.ok) return on.lost();
    }
    isAcknowledging = false;
  };
  receive().catch(on.lost);
  if (isPolling && session.token) sleep(POLL_GAP).then(() => isAttached || send()).catch(on.lost);
  Object.assign(link, {
    buffered: () => 0,
    flush() {
      if (!isAttached) return;
      if (!isPosting) send().catch(on.lost);
      else if (!isPolling && !isAcknowledging) acknowledge().catch(on.lost);
    },
    // The request outlives the page. The server takes it only while the connection carries the session.
    leave(code, reason) {
      if (!session.token) return;
      isLeaving = true;
      const end = () => {
        clearTimeout(timer);
        if (isDropped) abort.abort();
      };
      const timer = setTimeout(end, options.pongTimeout);
      post({ close: { code, reason } }, { keepalive: true, signal: null }).then(end, end);
    },
    drop() {
      isDropped = true;
      if (!isLeaving) abort.abort();
    },
  });
}

function base64(buffer) {
  let binary = "";
  for (const byte of new Uint8Array(buffer)) binary += String.fromCharCode(byte);
  return btoa(binary);
}
