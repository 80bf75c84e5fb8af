// The clients that the tests of ws-core generate: their types hold, and they run.
import { execFile } from "node:child_process";
import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { FakeWebSocket } from "./fake.mjs";
import { assert } from "./support.mjs";

const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const generated = path("../../../ws-core/src/contract/typescript/tests/");
const tsc = promisify(execFile).bind(null, path("../node_modules/.bin/tsc"));
const CHECKS = ["--strict", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--verbatimModuleSyntax", "--noUnusedLocals",
  "--noUnusedParameters", "--noImplicitOverride", "--isolatedModules", "--target", "es2022", "--lib", "es2022,dom", "--types", ""];
/** Types of the part of Node that the test uses. */
const NODE = 'declare module "node:assert/strict" {\n  const assert: { ok(value: unknown): asserts value };\n  export default assert;\n}\n';

let folder;
before(() => {
  // Inside of the package, whose name the clients import.
  folder = mkdtempSync(path("generated-"));
  for (const name of readdirSync(generated)) if (name.endsWith(".ts")) copyFileSync(generated + name, `${folder}/${name}`);
  copyFileSync(path("generated.ts"), `${folder}/generated.ts`);
  writeFileSync(`${folder}/node.d.ts`, NODE);
  // For pages: the scripts, their types, and what they import.
  mkdirSync(`${folder}/page`);
  cpSync(`${generated}javascript`, `${folder}/page`, { recursive: true });
  for (const [from, to] of [["src/ws-core.d.ts", "ws-core.d.ts"], ["src/contract.d.ts", "ws-core-contract.d.ts"],
    ["dist/ws-core.min.js", "ws-core.js"], ["dist/ws-core-contract.min.js", "ws-core-contract.js"]]) {
    copyFileSync(path(`../${from}`), `${folder}/page/${to}`);
  }
});
after(() => rmSync(folder, { recursive: true }));

/** Compiles files of the folder; the output is empty if their types hold. */
const compile = async (...args) => {
  const result = await tsc([...CHECKS, ...args], { cwd: folder }).catch((error) => error);
  assert.equal(result.stdout, "");
  assert.equal(result.code, undefined);
};

/** Runs a connection with the functions of a client. */
async function run(Board) {
  FakeWebSocket.all = [];
  const server = () => {
    const socket = FakeWebSocket.last;
    return {
      get last() {
        return JSON.parse(socket.sent.at(-1));
      },
      send: (message) => setImmediate(() => socket.receive(JSON.stringify(message))),
    };
  };
  class Opening extends FakeWebSocket {
    constructor(...args) {
      super(...args);
      setImmediate(() => this.open().session());
    }
  }
  return Board(Opening, server);
}

test("the clients compile with all checks, and run", async () => {
  await compile("--module", "nodenext", "--rootDir", ".", "--outDir", "out", "node.d.ts", "generated.ts");
  const { run: client } = await import(pathToFileURL(`${folder}/out/generated.js`));
  const got = await run(client);
  assert.deepEqual(got, [undefined, "buy", 3, [1], { jsonrpc: "2.0", method: "typing" }]);
});

test("the clients compile for bundlers", () => compile("--module", "esnext", "--moduleResolution", "bundler", "--noEmit", "node.d.ts", "generated.ts"));

test("the scripts for pages have the same types", async () => {
  for (const name of ["generated.ts", "node.d.ts"]) copyFileSync(`${folder}/${name}`, `${folder}/page/${name}`);
  // Only the client of Board is generated as a script here.
  for (const name of ["chat", "chat2", "station"]) copyFileSync(`${folder}/${name}.ts`, `${folder}/page/${name}.ts`);
  await compile("--module", "nodenext", "--noEmit", "page/node.d.ts", "page/generated.ts");
});

test("the scripts for pages run without a build", async () => {
  const { Board, CallError } = await import(pathToFileURL(`${folder}/page/board.js`));
  const got = await run(async (WebSocket, server) => {
    const board = await Board.connect("ws://example.test", { symbol: "AAPL", rest: "x" }, { WebSocket });
    const order = board.order(7, undefined, 1.5);
    server().send({ jsonrpc: "2.0", id: 1, error: { code: -32002, message: "closed" } });
    const error = await order.catch((error) => error);
    void board.close();
    return [error instanceof CallError, Board.isError("order", error), error.code];
  });
  assert.deepEqual(got, [true, true, -32002]);
  assert.ok(!readFileSync(`${folder}/page/board.js`, "utf8").includes("ws-core-client"));
});

test("the programs of the guide's chapter compile", async () => {
  mkdirSync(`${folder}/chapter`);
  for (const name of ["board", "market"]) copyFileSync(`${generated}chapter/${name}.ts`, `${folder}/chapter/${name}.ts`);
  const chapter = readFileSync(path("../../../docs/typescript.md"), "utf8");
  const programs = [...chapter.matchAll(/```ts\n(.*?)```/gs)].map(([, program]) => program);
  assert.ok(programs.length >= 8);
  // The first one is a page of its own. The second one imports and connects. Each further one is a block, because two of
  // them declare the same names.
  const [page, first, ...more] = programs;
  writeFileSync(`${folder}/chapter/page.ts`, page);
  writeFileSync(`${folder}/chapter/programs.ts`, first + more.map((program) => `{\n${program}}\n`).join(""));
  await compile("--module", "nodenext", "--noEmit", "chapter/programs.ts", "chapter/page.ts");
});
