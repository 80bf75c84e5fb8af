// The class against the real server, if the variable SERVER has the path of `interop-sessions`, as tests/interop/run.sh
// sets it. The network is cut; the server is killed and starts again without its sessions.
import { createServer, connect } from "node:net";
import { test } from "node:test";
import { SERVER, Socket, TRANSPORTS, assert, collect, freePort, killServer, once, reset, sleep, startServer, until } from "./support.mjs";

const tried = process.env.TRANSPORTS?.split(",") ?? TRANSPORTS;

/** A proxy whose connections can be cut. */
async function cuttable(port) {
  const sockets = new Set();
  const proxy = createServer((client) => {
    const server = connect(port, "127.0.0.1");
    for (const [one, other] of [[client, server], [server, client]]) {
      sockets.add(one);
      one.pipe(other);
      one.on("error", () => other.destroy()).on("close", () => (sockets.delete(one), other.destroy()));
    }
  });
  await new Promise((done) => proxy.listen(0, "127.0.0.1", done));
  const { port: own } = proxy.address();
  const cut = () => sockets.forEach(reset);
  return { url: `ws://127.0.0.1:${own}/echo`, cut, stop: () => (cut(), proxy.close()) };
}

for (const transport of SERVER ? tried : []) {
  test(`the real server over ${transport}`, async () => {
    const port = await freePort();
    let child = await startServer(port);
    const proxy = await cuttable(port);
    const socket = new Socket(proxy.url, [], { transports: [transport] });
    try {
      socket.binaryType = "arraybuffer";
      const messages = collect(socket), counts = { resumed: 0, reset: 0 };
      for (const type of ["resumed", "reset"]) socket.addEventListener(type, () => counts[type]++);
      await once(socket, "open");
      assert.equal(socket.transport, transport);
      const texts = ["", "κόσμε 🎈", "a\nb\n", "a\r\nb\r", "\0nul", "\0", "x".repeat(500_000), "\u2028", "data: x", "\ufeffbom"];
      for (const text of texts) socket.send(text);
      const bytes = new Uint8Array(200_000).map((_, index) => (index * 31) ^ (index >> 8));
      for (const data of [bytes, new Uint8Array(0), new Blob(["blob"])]) socket.send(data);
      await until(() => messages.length === texts.length + 3, () => `echoes: ${messages.length}`);
      assert.deepEqual(messages, [...texts, bytes.buffer, new ArrayBuffer(0), new TextEncoder().encode("blob").buffer]);

      messages.length = 0;
      let sent = 0;
      // A poll that a cut ends with its answer needs no resume.
      for (let round = 0; round < 20 || counts.resumed < 5; round++) {
        assert.ok(round < 400, `${counts.resumed} resumes`);
        for (let n = 0; n < 50; n++) socket.send(`${sent++} ${"x".repeat(n * 20)}`);
        await sleep(Math.random() * 40);
        proxy.cut();
        await sleep(5);
        await until(() => socket.transport !== null);
      }
      await until(() => messages.length === sent, () => `echoes: ${messages.length} of ${sent}`);
      assert.deepEqual(messages.map((text) => Number(text.split(" ")[0])), Array.from({ length: sent }, (_, n) => n));
      assert.equal(counts.reset, 0);
      console.log(`${transport}: ${sent} echoes, ${counts.resumed} resumes`);

      const reconnecting = once(socket, "reconnecting");
      await killServer(child);
      await reconnecting;
      socket.send("meanwhile");
      const reset = once(socket, "reset");
      child = await startServer(port);
      const { unacknowledged } = await reset;
      assert.equal(unacknowledged.at(-1), "meanwhile");
      socket.send("anew");
      await until(() => messages.at(-1) === "anew");
      socket.send("close");
      const { code, reason, wasClean } = await once(socket, "close");
      assert.deepEqual([code, reason, wasClean], [4002, "as you wish", true]);

      const last = new Socket(proxy.url, [], { transports: [transport] });
      await once(last, "open");
      last.close(3000, "bye");
      assert.deepEqual((({ code, wasClean }) => [code, wasClean])(await once(last, "close")), [3000, true]);
    } finally {
      socket.close();
      proxy.stop();
      child.kill("SIGKILL");
    }
  });
}
