/** The code that closes a connection whose session another connection carries. */
export const TAKEN_OVER = 4900;

/**
 * The part of a session that outlives its connections. Connections read it and change nothing: they report, and reports
 * of an abandoned connection have no effect.
 */
export class Session {
  token;
  /** The number of the last message from the server. */
  received = 0;
  /** Messages that the server has not acknowledged: `{ data, size }`; `{ blob, size }` until the Blob is read. */
  queue = [];
  /** The number of the first message in the queue, and the bytes of all. */
  first = 1;
  size = 0;
  /** The number of the last message that any connection had. */
  last = 0;
  /** The arguments of `close`, once it was called. */
  closing;
  interval = 25_000;
  buffer = Infinity;
  /** Functions that close abandoned WebSockets, which are open. */
  stale = new Set();

  constructor(url, protocols, options) {
    Object.assign(this, { url, protocols, options });
  }

  /** Removes messages up to a number; returns whether the number is possible. */
  acknowledge(number) {
    const count = number - this.first + 1;
    if (!(number <= this.last)) return false;
    for (const { size } of this.queue.splice(0, Math.max(count, 0))) {
      this.size -= size;
      this.first++;
    }
    return true;
  }

  /** Starts the numbers again; returns the messages that were not acknowledged. */
  reset() {
    const messages = this.queue.splice(0).map(({ data, blob }) => data ?? blob);
    this.received = this.size = this.last = 0;
    this.first = 1;
    return messages;
  }
}

/** Throws like the methods of a `WebSocket`. */
export function check(isValid, name, message) {
  if (!isValid) throw new DOMException(message, name);
}

/** Returns the address of a WebSocket (WHATWG's "parse a WebSocket URL"). */
export function address(url) {
  let parsed;
  try {
    parsed = new URL(url, globalThis.location?.href);
  } catch {
    // Refused below.
  }
  const href = parsed?.href.replace(/^http/, "ws") ?? "";
  check(/^wss?:/.test(href) && !href.includes("#"), "SyntaxError", `invalid address ${url}`);
  return href;
}
