/** A way to reach a handler. `plain` is a WebSocket without the session protocol, for other servers. */
export type Transport = "websocket" | "events" | "polling" | "plain";

/** Options of a socket. Times are in milliseconds. */
export interface SessionSocketOptions {
  /** What to try, in this order. Default: `["websocket", "events", "polling", "plain"]`. */
  transports?: Transport[];
  /** The deadline of each transport, until the server's first message of the session protocol. Default: 8,000. */
  connectTimeout?: number;
  /** The longest delay before the first attempt to reconnect; each further attempt doubles it. Default: 1,000. */
  minDelay?: number;
  /** The bound of these delays. Default: 30,000. */
  maxDelay?: number;
  /** Failed attempts in a row after which the socket closes with 1006. Default: no limit. */
  maxAttempts?: number;
  /**
   * The bound of the messages that the server has not acknowledged, in bytes. A `send` beyond it closes the socket with
   * 4901. Default: 16 MiB.
   */
  maxQueue?: number;
  /** Silence on a WebSocket after which a ping is sent. Default: 25,000. */
  pingInterval?: number;
  /** Time for the answer to a ping, to a POST, and to `close`. Default: 10,000. */
  pongTimeout?: number;
  /**
   * Close codes of the server after which the socket connects again, to a new handler. All others are final. Default:
   * `[1001, 1011, 1012, 1013, 1014, 1015]`.
   */
  retryCodes?: number[];
  /**
   * Whether a session that cannot be resumed closes the socket, with 1006 or the server's code. For libraries that begin
   * with messages of their own and make another socket then. Default: `false`.
   */
  closeOnReset?: boolean;
  /** The cookies of requests over HTTP, as for `fetch`. WebSockets always have theirs. Default: `"same-origin"`. */
  credentials?: RequestCredentials;
  /** The class for WebSockets, for example npm's `ws`. Default: the global one. */
  WebSocket?: new (url: string, protocols: string[]) => any;
  /** The function for requests over HTTP. Default: the global one. */
  fetch?: typeof fetch;
}

/** The connection is lost. `attempt` counts from 1, `delay` is the time until it begins, in milliseconds. */
export interface ReconnectingEvent extends Event {
  readonly attempt: number;
  readonly delay: number;
}

/** The session is over; a new handler takes the messages from now on. */
export interface ResetEvent extends Event {
  /** Messages that the earlier handler did not acknowledge, in order. The socket sends them to no other handler. */
  readonly unacknowledged: (string | ArrayBuffer | Blob)[];
}

export interface SessionSocketEventMap extends WebSocketEventMap {
  reconnecting: ReconnectingEvent;
  resumed: Event;
  reset: ResetEvent;
}

/**
 * A WebSocket that falls back to HTTP, reconnects, and resumes its session.
 *
 * `readyState` is `OPEN` from the first connection to the end, also while the socket reconnects. `send` queues messages
 * while there is no connection, also before the first one. `bufferedAmount` counts bytes that were not handed to a
 * connection, or that its WebSocket still holds.
 */
export interface SessionSocket extends WebSocket {
  /** The transport of the connection, or `null` while there is none. */
  readonly transport: Transport | null;
  onreconnecting: ((this: SessionSocket, event: ReconnectingEvent) => any) | null;
  onresumed: ((this: SessionSocket, event: Event) => any) | null;
  onreset: ((this: SessionSocket, event: ResetEvent) => any) | null;
  addEventListener<T extends keyof SessionSocketEventMap>(
    type: T,
    listener: (this: WebSocket, event: SessionSocketEventMap[T]) => any,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | AddEventListenerOptions): void;
  removeEventListener<T extends keyof SessionSocketEventMap>(
    type: T,
    listener: (this: WebSocket, event: SessionSocketEventMap[T]) => any,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(type: string, listener: EventListenerOrEventListenerObject, options?: boolean | EventListenerOptions): void;
}

export interface SessionSocketConstructor {
  /**
   * Connects. The address has the scheme `ws`, `wss`, `http` or `https`, or is relative to the page. Throws a
   * `SyntaxError` for other addresses and for invalid subprotocols.
   */
  new (url: string | URL, protocols?: string | string[], options?: SessionSocketOptions): SessionSocket;
  readonly prototype: SessionSocket;
  readonly CONNECTING: 0;
  readonly OPEN: 1;
  readonly CLOSING: 2;
  readonly CLOSED: 3;
  /** Returns a class with other defaults, for libraries that take a class. */
  with(defaults: SessionSocketOptions): SessionSocketConstructor;
}

export const SessionSocket: SessionSocketConstructor;
export default SessionSocket;
