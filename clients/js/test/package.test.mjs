// The package: its files, the size of the script, its types, and that the committed build is one of these sources.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";

const cwd = fileURLToPath(new URL("..", import.meta.url));
const run = (program, ...args) => promisify(execFile)(program, args, { cwd });
const script = readFileSync(new URL("../dist/ws-core.min.js", import.meta.url));

test("the minified script has at most 6 KB", () => {
  const size = gzipSync(script, { level: 9 }).length;
  console.log(`${script.length} bytes, ${size} bytes gzipped`);
  assert.ok(size <= 6000, `${size}`);
});

test("the minified scripts are built from the sources", () => run("node", "build.mjs", "--check"));

test("the minified script exports the class", async () => {
  const { SessionSocket, default: same } = await import("../dist/ws-core.min.js");
  assert.equal(SessionSocket, same);
  assert.equal(new SessionSocket("ws://127.0.0.1:1/", [], { transports: ["events"], maxAttempts: 0 }).readyState, 0);
});

test("the package has these files and no dependency", async () => {
  const { stdout } = await run("npm", "pack", "--dry-run", "--json");
  const [{ files, bundled }] = Object.values(JSON.parse(stdout));
  assert.deepEqual(files.map(({ path }) => path).sort(), [
    "README.md", "dist/ws-core-contract.min.js", "dist/ws-core.min.js", "package.json", "src/contract.d.ts",
    "src/contract.js", "src/events.js", "src/schema.js", "src/session.js", "src/template.js", "src/transports.js",
    "src/ws-core.d.ts", "src/ws-core.js",
  ]);
  assert.deepEqual(bundled, []);
  const { dependencies } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url)));
  assert.equal(dependencies, undefined);
});

test("the types hold", async () => {
  const options = ["--strict", "--noEmit", "--target", "es2022", "--module", "nodenext", "--lib", "es2022,dom", "--types", ""];
  const result = await run("node_modules/.bin/tsc", ...options, "test/types.ts").catch((error) => error);
  assert.equal(result.stdout, "");
  assert.equal(result.code, undefined);
});
