// Compiled and run by generated.test.mjs, beside the clients that the tests of ws-core generate.
import assert from "node:assert/strict";
import { Board, CallError, ContractError, DisconnectedError, type BoardCloseCode, type Everything, type Shape, type Tree } from "./board.js";
import { Chat } from "./chat.js";
import { Chat as Lines } from "./chat2.js";
import { Station } from "./station.js";

/** The server's side of a connection. */
export interface Server {
  /** The last message of the client. */
  readonly last: unknown;
  send(message: unknown): void;
}

/** Connects with a class for WebSockets, and returns what the listeners got. */
export async function run(WebSocket: new (url: string, protocols: string[]) => unknown, server: () => Server): Promise<unknown[]> {
  const got: unknown[] = [];
  const board = await Board.connect("wss://example.test", { symbol: "AAPL", rest: "x", depth: null }, {
    WebSocket: WebSocket as never,
    timeout: 5000,
    handlers: { confirm: async ({ order, text }, { signal }) => order === 7 && text !== null && !signal.aborted },
  });
  board.on("price", ({ symbol, cents }) => got.push(symbol.toUpperCase(), cents.toFixed(2)));
  board.on("image", (bytes) => got.push(bytes.byteLength));
  const remove: () => void = board.on("halted", ({ symbol, until }) => got.push(symbol, until ?? "for ever"));
  board.onError((error: ContractError) => got.push(error.kind));
  board.onReset(() => board.subscribe(["AAPL"]));
  board.handle("ready?", () => {});
  const nothing: Promise<void> = board.subscribe(["AAPL"], { timeout: 1000, signal: new AbortController().signal });
  server().send({ jsonrpc: "2.0", id: 1, result: null });
  got.push(await nothing);
  const order = board.order(7, null, 1.5);
  server().send({ jsonrpc: "2.0", id: 2, error: { code: -32001, message: "refused", data: "buy" } });
  try {
    got.push((await order).number);
  } catch (error) {
    assert.ok(!Board.isError("order", new DisconnectedError("reset")));
    if (!Board.isError("order", error)) throw error;
    if (error.code === -32001) {
      const side: "buy" | string = error.data;
      got.push(side);
    } else {
      const none: undefined = error.data;
      got.push(none);
    }
  }
  const area = (shape: Shape): number => {
    switch (shape.type) {
      case "circle":
        return shape.radius;
      case "price":
        return shape.cents;
      case "empty":
        return 0;
    }
  };
  const shape = board.close_({ type: "circle", radius: 2 });
  server().send({ jsonrpc: "2.0", id: 3, result: { type: "price", symbol: "AAPL", cents: 3 } });
  got.push(area(await shape));
  const report: Promise<unknown> = board["report.build"]();
  server().send({ jsonrpc: "2.0", id: 4, result: [1] });
  got.push(await report);
  server().send({ jsonrpc: "2.0", method: "price", params: { symbol: "aapl", cents: 7 } });
  server().send({ jsonrpc: "2.0", method: "price", params: {} });
  remove();
  board.typing();
  got.push(server().last);
  board.upload(new Uint8Array([1]));
  void board.closed.then(({ code }) => {
    const known: BoardCloseCode | 1000 | 1005 | 1006 | 1009 | 4900 | 4901 | 4902 | 4903 = code;
    return known;
  });
  void board.close(4000, "done");
  return got;
}

export function types(board: Board, chat: Chat, station: Station, everything: Everything): unknown[] {
  const tree: Tree = { children: [{ children: [] }] };
  const red: number = everything.color[0];
  const first: string = everything.pair[0];
  const price: { cents: number } | undefined = everything.map["a"];
  const any: unknown = everything.any;
  const optional: Tree | null | undefined = everything.optional;
  const dashed: boolean = everything["kebab-case"];
  chat.on("error", ({ text }) => text.length);
  const sum: Promise<number> = chat.add(1, 2);
  // The method of the same name in another state, with a result whose type has a name of the package.
  void chat.add_("text").then(({ text }) => text.length);
  if (Chat.isError("add", any)) any.code satisfies 1 | 2;
  void Lines.connect("/", { name: "ann" });
  void Lines.connect(new URL("wss://example.test"));
  void Chat.connect("/", { maxAttempts: 3 });
  // @ts-expect-error: a parameter of the path is missing.
  void Board.connect("/", { symbol: "AAPL" });
  // @ts-expect-error: no such message.
  board.on("later", () => {});
  // @ts-expect-error: an argument of another type.
  void board.order("7", null, 1);
  // @ts-expect-error: too many arguments.
  void board.then_(1, 2);
  // @ts-expect-error: the handler returns another type.
  board.handle("confirm", () => "yes");
  // @ts-expect-error: a call that declares no errors.
  Board.isError("subscribe", undefined);
  // @ts-expect-error: exactOptionalPropertyTypes.
  everything.optional = undefined;
  // @ts-expect-error: the member of another variant.
  const wrong: Shape = { type: "circle", cents: 1 };
  // @ts-expect-error: the call's result has no members.
  void station.Heartbeat().then((result) => result.currentTime);
  // @ts-expect-error: no parameters of this type.
  void station.Authorize({ idTag: 7 });
  return [tree, red, first, price, any, optional, dashed, sum, wrong, new CallError(1, "text"), ContractError];
}
