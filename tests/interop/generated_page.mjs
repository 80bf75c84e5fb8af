// Tests the generated client of `examples/rpc` in a page without a build: node generated_page.mjs GENERATOR EXAMPLES CHROMIUM,
// two programs, and the folder of the examples' programs between them.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";

const [generator, examples, chromium] = process.argv.slice(2);
const folder = mkdtempSync(`${tmpdir()}/ws-core-page-`);
execFileSync(generator, [fileURLToPath(new URL("../../examples/contract/rpc.json", import.meta.url)), folder, "--javascript"]);

/** The page: reports by a POST. */
const PAGE = (url) => `<!doctype html>
<meta charset="utf-8">
<script type="module">
  const results = [];
  try {
    const { DisconnectedError, Rpc } = await import("./rpc.js");
    const rpc = await Rpc.connect("${url}", { handlers: { answer: ({ question }) => question.toUpperCase() } });
    results.push(await rpc.add(1, 2));
    results.push(await rpc.divide(7, 0).catch((error) => Rpc.isError("divide", error) && error.data.dividend));
    results.push(await rpc.ask("why?"));
    results.push(await new Promise((done) => (rpc.on("tick", ({ n }) => done(n)), rpc.subscribe_clock(10))));
    results.push(await rpc.panic().catch((error) => error instanceof DisconnectedError && error.reason));
    results.push(await rpc.add(2, 3), (await rpc.close()).code);
  } catch (error) {
    results.push(String(error));
  }
  await fetch("/results", { method: "POST", body: JSON.stringify([navigator.userAgent, results]) });
</script>`;

const free = createServer().listen(0, "127.0.0.1");
await once(free, "listening");
const { port } = free.address();
free.close();
const server = spawn(`${examples}/rpc`, [`127.0.0.1:${port}`], { stdio: "ignore" });
for (let isOpen = false; !isOpen;) {
  const socket = connect(port, "127.0.0.1");
  isOpen = await once(socket, "connect").then(() => true, () => new Promise((done) => setTimeout(done, 50, false)));
  socket.destroy();
}

let report;
const reported = new Promise((done) => (report = done));
const pages = createServer((request, response) => {
  const name = basename(request.url);
  if (request.method === "POST") {
    let body = "";
    request.on("data", (part) => (body += part));
    request.on("end", () => (response.end(), report(JSON.parse(body))));
  } else if (request.url === "/") {
    response.setHeader("content-type", "text/html").end(PAGE(`ws://127.0.0.1:${port}`));
  } else if (name.endsWith(".js")) {
    response.setHeader("content-type", "text/javascript").end(readFileSync(`${folder}/${name}`));
  } else {
    response.writeHead(404).end();
  }
}).listen(0, "127.0.0.1");
await once(pages, "listening");
const browser = spawn(chromium, ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
  `--user-data-dir=${folder}/profile`, `http://127.0.0.1:${pages.address().port}/`], { stdio: "ignore" });
try {
  const deadline = new Promise((_, fail) => setTimeout(fail, 60_000, new Error("the page does not report")).unref());
  const [agent, results] = await Promise.race([reported, deadline]);
  assert.deepEqual(results, [3, 7, "WHY?", 1, "reset", 5, 1000]);
  console.log(`generated JavaScript, ${agent.match(/Chrom\w+\/\d+/)[0]}: ok`);
} finally {
  browser.kill();
  server.kill();
  await once(browser, "exit");
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}
process.exit(0);
