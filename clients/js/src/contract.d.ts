import type { SessionSocket, SessionSocketOptions } from "./ws-core.js";

/** A listener, hook or handler is removed by calling what adding it returned. */
export type Remove = () => void;

/** Options of a call. */
export interface CallOptions {
  /** Milliseconds until the call is rejected with a `DOMException` named `TimeoutError`. Default: that of `connect`. */
  timeout?: number;
  /**
   * Rejects the call with its `reason` when aborted. The server is not told, and may still do what the call asks for; its
   * answer is dropped.
   */
  signal?: AbortSignal;
}

/** Options of `connect`, with those of the socket. */
export interface ConnectOptions<Handlers = {}> extends SessionSocketOptions {
  /** Handlers of the server's calls. `handle` adds them later. */
  handlers?: Partial<Handlers>;
  /** Milliseconds that a call waits for its answer. `Infinity`: for ever. Default: 60,000. */
  timeout?: number;
  /** Ends the attempts to connect. Default: they go on, up to `maxAttempts`. */
  signal?: AbortSignal;
  /** The subprotocols to offer. Default: those of the contract. */
  protocols?: string[];
}

/** A second argument of the handlers of the server's calls. */
export interface HandlerContext {
  /** Aborted when nobody waits for the answer any more: after a reset and after the end of the connection. */
  readonly signal: AbortSignal;
}

/** Close codes that a socket makes by itself, or that any server may send. README.md has their meaning. */
export type SocketCloseCode = 1000 | 1005 | 1006 | 1009 | 4900 | 4901 | 4902 | 4903;

/** The end of a connection. */
export interface CloseInfo<Code extends number = number> {
  /** The code. A proxy may close with codes that no contract has. */
  readonly code: Code | SocketCloseCode;
  readonly reason: string;
  /** Whether a close frame has arrived. */
  readonly wasClean: boolean;
}

/** What a new handler of the server was not sent. */
export interface ResetInfo {
  /** Frames that the earlier handler has not acknowledged, as `reset` of the socket has them. */
  readonly unacknowledged: (string | ArrayBuffer | Blob)[];
}

/** An attempt to connect again. */
export interface ReconnectingInfo {
  /** Counts from 1. */
  readonly attempt: number;
  /** Milliseconds until the attempt begins. */
  readonly delay: number;
}

/**
 * The error with which the other side answers a call. A handler of the server's calls throws one to answer with it; the
 * answer to any other exception is the code -32603.
 */
export class CallError<Code extends number = number, Data = unknown> extends Error {
  constructor(code: Code, message: string, ...data: undefined extends Data ? [data?: Data] : [data: Data]);
  readonly code: Code;
  readonly data: Data;
}

/**
 * The call has no answer, because its handler is gone. `reset`: a new handler takes the messages from now on. `closed`:
 * the connection has ended. The server may have done what the call asks for.
 */
export class DisconnectedError extends Error {
  constructor(reason: "reset" | "closed", close?: CloseInfo);
  readonly reason: "reset" | "closed";
  /** The end, for `closed`. */
  readonly close: CloseInfo | undefined;
}

/** What a `ContractError` is about. */
export type ContractErrorKind =
  /** A name, or a kind of message, that the contract does not have. */
  | "unknown_message"
  /** A content of another type than that of the contract, or an integer beyond 2^53. */
  | "wrong_type"
  /** An answer to no call of this client. `cause` is its error. */
  | "unknown_answer"
  /** A handler of the server's calls has thrown `cause`, or returned a value of another type. */
  | "handler"
  /** A function for `onReset` has thrown `cause`. */
  | "hook";

/** Something that the contract does not allow. The connection goes on. */
export class ContractError extends Error {
  constructor(
    kind: ContractErrorKind,
    message: string,
    details?: { subject?: string; received?: unknown; cause?: unknown },
  );
  readonly kind: ContractErrorKind;
  /** The name of the message or call. */
  readonly subject: string | undefined;
  /** What was received. */
  readonly received: unknown;
}

/** The contract of a handler, as `Contract` of ws-core is serialized. */
export interface HandlerContract {
  readonly name: string;
  readonly path: string;
  readonly [member: string]: unknown;
}

/**
 * The base of generated clients. `Messages` has the types of the server's messages by name, `Handlers` those of the
 * functions for the server's calls, `Code` the close codes.
 *
 * After a loss, the client connects again. Calls wait for their answers if the session resumes, and fail with a
 * `DisconnectedError` if not.
 */
export class Client<Messages = {}, Handlers = {}, Code extends number = number> {
  /** Connects to a handler. Use `connect` of the generated class. */
  protected constructor(contract: HandlerContract, url: string | URL, parameters: object | undefined, options: ConnectOptions<Handlers> | undefined);
  /** The end of the connection. The promise is never rejected. */
  readonly closed: Promise<CloseInfo<Code>>;
  /** The socket: its state, its transport, and its events. */
  readonly socket: SessionSocket;
  /**
   * Adds a listener of a message. Listeners that are added right after `await connect` get the first message. What a
   * listener throws is reported as an uncaught exception.
   */
  on<Name extends keyof Messages>(name: Name, listener: (message: Messages[Name]) => void): Remove;
  /** Sets the handler of a call of the server. Without one, the answer is the error -32601. */
  handle<Name extends keyof Handlers>(name: Name, handler: Handlers[Name]): Remove;
  /** Adds a listener of what the contract does not allow. Without one, `console.warn` reports it. */
  onError(listener: (error: ContractError) => void): Remove;
  /**
   * Adds a function that runs after each reconnect that did not resume the session: a new handler knows nothing of earlier
   * calls, so the function logs in and subscribes again. What it throws is a `ContractError` of the kind `hook`.
   */
  onReset(hook: (info: ResetInfo) => void | Promise<unknown>): Remove;
  /** Adds a listener of reconnects that resumed the session: nothing is missing. */
  onResumed(listener: () => void): Remove;
  /** Adds a listener of losses and of failed attempts. */
  onReconnecting(listener: (info: ReconnectingInfo) => void): Remove;
  /** Closes the connection after what was sent before, with 1000 or a code from 3000 to 4999. Default: 1000. Returns `closed`. */
  close(code?: number, reason?: string): Promise<CloseInfo<Code>>;
}

/** For generated code. Waits for the first connection. */
export function connect<T extends Client<any, any, any>>(client: T): Promise<T>;
/** For generated code. Sends a call, and returns the result. */
export function call(client: Client<any, any, any>, name: string, values: unknown[], options: CallOptions | undefined): Promise<any>;
/** For generated code. Sends a message. */
export function send(client: Client<any, any, any>, name: string, values: unknown[]): void;
/** For generated code. Returns whether an error is one that a call declares. */
export function isErrorOf(contract: HandlerContract, name: string, error: unknown): boolean;
