// Tests the examples with the clients that their contracts generate: node generated_examples.js EXAMPLES, the folder of the
// programs. Each client talks once. Compiled by generated.mjs, as TypeScript and beside the scripts for pages.
import assert from "node:assert/strict";
import { once } from "node:events";
import { WebSocket } from "ws";
import { Room } from "./auth/room.js";
import { Echo as AxumEcho } from "./axum/echo.js";
import { Board, CallError, type BoardMessages } from "./board/board.js";
import { Guest, type Event } from "./chat/guest.js";
import { Echo } from "./echo/echo.js";
import { Clock } from "./every/clock.js";
import { freePort, start } from "./generated_support.js";
import { Session } from "./login/session.js";
import { Station } from "./ocpp/station.js";
import { Limited } from "./tested/limited.js";
import { Upload } from "./upload/upload.js";
import { Echo as WssEcho } from "./wss/echo.js";

const options = { WebSocket, minDelay: 20, maxDelay: 200 };
const wrong: unknown[] = [];

/** Collects what arrives. The function returns the next one. */
function queue<T>(listen: (push: (value: T) => void) => void): () => Promise<T> {
  const arrived: T[] = [];
  const waiting: ((value: T) => void)[] = [];
  listen((value) => {
    const next = waiting.shift();
    if (next) next(value);
    else arrived.push(value);
  });
  return () => new Promise((resolve) => {
    if (arrived.length) resolve(arrived.shift()!);
    else waiting.push(resolve);
  });
}

/** The programs, and what is done with each. `url` is without a scheme. */
const tests: { [program: string]: (url: string) => Promise<void> } = {
  async auth(url) {
    const room = await Room.connect(`ws://${url}`, { room: "lobby", token: "wonderland" }, options);
    room.onError((error) => wrong.push(error));
    const next = queue<string>((push) => room.on("text", push));
    assert.equal(await next(), "welcome to the lobby, alice");
    room.text("hello");
    assert.equal(await next(), "alice: hello");
    assert.equal(room.socket.protocol, "chat.v1");
    assert.equal((await room.close()).code, 1000 as number);
    const stranger = Room.connect(`ws://${url}`, { room: "lobby", token: "looking-glass" }, { ...options, maxAttempts: 1 });
    assert.equal(await stranger.catch((error: Error) => error.name), "DisconnectedError");
  },

  async axum(url) {
    const echo = await AxumEcho.connect(`ws://${url}/live`, options);
    echo.onError((error) => wrong.push(error));
    const next = queue<string>((push) => echo.on("echo", push));
    echo.echo("hello");
    assert.match(await next(), /^hello, from /);
    await echo.close();
  },

  async board(url) {
    const board = await Board.connect(`ws://${url}`, { pace: "live" }, options);
    board.onError((error) => wrong.push(error));
    const next = queue<BoardMessages["price"]>((push) => board.on("price", push));
    const error = (call: Promise<unknown>): Promise<unknown> => call.then(() => undefined, (error: unknown) => error);
    const refused = await error(board.login("anna", "looking-glass"));
    assert.ok(Board.isError("login", refused) && refused.code === -32001 && refused.data === 2);
    const early = await error(board.subscribe(["V"]));
    assert.ok(early instanceof CallError && early.code === -32099 && !Board.isError("subscribe", early));
    const { listings } = await board.login("anna", "wonderland");
    assert.deepEqual([listings.length, listings[0]], [200, { symbol: "AAPL", name: "Apple" }]);
    const unknown = await error(board.subscribe(["V", "ACME"]));
    assert.ok(Board.isError("subscribe", unknown) && unknown.data === "ACME");
    const [quote, ...others] = await board.subscribe(["V"]);
    assert.ok(quote !== undefined && others.length === 0 && quote.recent.length === 60);
    let last = quote.cents;
    for (let count = 0; count < 20; count++) {
      const { symbol, cents } = await next();
      assert.ok(symbol === "V" && Math.abs(cents - last) < last / 100, `${last} cents, then ${cents}`);
      last = cents;
    }
    await board.unsubscribe(["V"]);
    await board.logout();
    assert.ok(await error(board.subscribe(["V"])) instanceof CallError);
    assert.equal((await board.close()).code, 1000 as number);
  },

  async chat(url) {
    const guest = await Guest.connect(`ws://${url}`, { room: "lobby", name: "anna" }, options);
    guest.onError((error) => wrong.push(error));
    const next = queue<Event>((push) => guest.on("line", push));
    const hello = await next();
    assert.ok(hello.is === "hello" && hello.recovered && hello.at !== null);
    const joined = await next();
    assert.ok(joined.is === "joined" && joined.name === "anna");
    guest.text("hello");
    const line = await next();
    assert.ok(line.is === "line" && line.line.by === "anna" && line.line.text === "hello");
    const { at } = line;
    await guest.close();
    // A later client with the position misses no line.
    const later = await Guest.connect(`ws://${url}`, { room: "lobby", name: "ben", since: hello.at }, options);
    const missed = queue<Event>((push) => later.on("line", push));
    assert.deepEqual([(await missed()).is, await missed()], ["hello", { is: "line", at, line: line.line }]);
    await later.close();
  },

  async echo(url) {
    const echo = await Echo.connect(`ws://${url}`, options);
    echo.onError((error) => wrong.push(error));
    const text = queue<string>((push) => echo.on("text", push));
    const bytes = queue<Uint8Array>((push) => echo.on("binary", push));
    echo.text("κόσμε 🎈");
    echo.binary(new Uint8Array([0, 255]));
    assert.equal(await text(), "κόσμε 🎈");
    assert.deepEqual(await bytes(), new Uint8Array([0, 255]));
    await echo.close();
  },

  async every(url) {
    const clock = await Clock.connect(`ws://${url}`, options);
    clock.onError((error) => wrong.push(error));
    const next = queue<string>((push) => clock.on("tick", push));
    clock.command("stop");
    assert.equal(await next(), "stopped");
    assert.equal(await next(), "1 s");
    await clock.close();
  },

  async login(url) {
    const session = await Session.connect(`ws://${url}`, options);
    session.onError((error) => wrong.push(error));
    const next = queue<string>((push) => session.on("said", push));
    assert.equal(await next(), "who are you?");
    session.login({ name: "alice", password: "looking-glass" });
    assert.equal(await next(), "wrong, try again");
    session.login({ name: "alice", password: "wonderland" });
    assert.equal(await next(), "welcome, alice");
    session.said("hello");
    assert.equal(await next(), "alice: hello");
    await session.close();
    const stranger = await Session.connect(`ws://${url}`, options);
    for (let tries = 0; tries < 3; tries++) stranger.login({ name: "mallory", password: "" });
    const { code, reason } = await stranger.closed;
    assert.deepEqual([code === 4403, reason], [true, "three wrong passwords"]);
  },

  async ocpp(url) {
    const asked: unknown[] = [];
    const station = await Station.connect(`ws://${url}`, { station: "CP 1" }, {
      ...options,
      handlers: {
        RemoteStartTransaction(call) {
          asked.push(call);
          return { status: "Accepted" };
        },
      },
    });
    station.onError((error) => wrong.push(error));
    const boot = await station.BootNotification({ chargePointVendor: "ws-core", chargePointModel: "one" }) as { status: string };
    assert.equal(boot.status, "Accepted");
    const start = await station.StartTransaction({ idTag: "A1" }) as { transactionId: number };
    assert.equal(start.transactionId, 1);
    const started = await fetch(`http://${url}/stations/CP%201/remote-start`, { method: "POST", body: '{"idTag": "A1"}' });
    assert.deepEqual(await started.json(), { status: "Accepted" });
    assert.deepEqual(asked, [{ idTag: "A1" }]);
    await station.close();
  },

  async tested(url) {
    const limited = await Limited.connect(`ws://${url}`, options);
    limited.onError((error) => wrong.push(error));
    const next = queue<string>((push) => limited.on("echo", push));
    for (const text of ["one", "two", "three"]) {
      limited.echo(text);
      assert.equal(await next(), text);
    }
    limited.echo("four");
    const { code, reason } = await limited.closed;
    assert.deepEqual([code === 1008, reason], [true, "three messages in ten seconds, please"]);
  },

  async upload(url) {
    const upload = await Upload.connect(`ws://${url}`, options);
    upload.onError((error) => wrong.push(error));
    const text = queue<string>((push) => upload.on("message", push));
    const bytes = queue<Uint8Array>((push) => upload.on("message_2", push));
    const content = Uint8Array.from({ length: 200_000 }, (_, index) => index % 251);
    upload.part_2(content);
    assert.equal(await text(), "stored 200000 bytes");
    upload.part("again");
    assert.deepEqual(await bytes(), content);
    await upload.close();
  },

  async wss(url) {
    class InsecureWebSocket extends WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, protocols, { rejectUnauthorized: false });
      }
    }
    const echo = await WssEcho.connect(`wss://${url}`, { ...options, WebSocket: InsecureWebSocket });
    echo.onError((error) => wrong.push(error));
    const next = queue<string>((push) => echo.on("text", push));
    echo.text("hello");
    assert.equal(await next(), "hello, said in private");
    await echo.close();
  },
};

const folder = process.argv[2]!;
// The programs whose contracts are kept; generated.ts has the test of `rpc`.
assert.deepEqual(Object.keys(tests), process.argv.slice(3).filter((name) => name !== "rpc"));
for (const [program, talk] of Object.entries(tests)) {
  const port = await freePort();
  const server = await start(`${folder}/${program}`, port);
  const late = setTimeout(() => {
    console.error(`${program}: no message within 30 seconds`);
    server.kill();
    process.exit(1);
  }, 30_000);
  try {
    await talk(`127.0.0.1:${port}`);
  } finally {
    clearTimeout(late);
    server.kill();
    await once(server, "exit");
  }
}
assert.deepEqual(wrong, []);
