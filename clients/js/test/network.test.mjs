// A network that delays, halves and cuts at random. Every message arrives exactly once and in order, or `reset` tells.
// Variables choose another run: NETWORK_SEED=7 NETWORK_SECONDS=60 node --test test/network.test.mjs
import { createServer, connect } from "node:net";
import { test } from "node:test";
import { Socket, TRANSPORTS, assert, once, sleep, until, withServer } from "./support.mjs";

const SEED = Number(process.env.NETWORK_SEED ?? 1), SECONDS = Number(process.env.NETWORK_SECONDS ?? 2), CLIENTS = 5;

/** Returns a generator of random numbers (mulberry32). */
const random = (seed) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let mixed = Math.imul(seed ^ (seed >>> 15), seed | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
};

/** A proxy whose connections live for a random number of pieces, some of which are cut within a piece. */
async function badProxy(port, seed) {
  const next = random(seed), sockets = new Set();
  const proxy = createServer((client) => {
    const server = connect(port, "127.0.0.1");
    let pieces = Math.floor(next() ** 2 * 40);
    const end = () => (client.resetAndDestroy(), server.resetAndDestroy());
    for (const [from, to] of [[client, server], [server, client]]) {
      sockets.add(from);
      let before = Promise.resolve();
      from.on("data", (data) => {
        const delay = next() < 0.3 ? next() * 20 : 0, isLast = pieces-- <= 0;
        const cut = isLast ? data.subarray(0, Math.floor(next() * data.length)) : data;
        before = before.then(async () => {
          if (delay) await sleep(delay);
          if (to.destroyed) return;
          to.write(cut);
          if (!isLast) return;
          proxy.cuts++;
          // What was written is sent before the reset.
          await sleep(2);
          end();
        });
      });
      from.on("error", end);
      from.on("close", () => (sockets.delete(from), end()));
    }
  });
  proxy.cuts = 0;
  await new Promise((done) => proxy.listen(0, "127.0.0.1", done));
  proxy.number = proxy.address().port;
  proxy.stop = () => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  };
  return proxy;
}

for (const [index, transports] of [...TRANSPORTS.map((one) => [one]), ["websocket", "events", "polling"]].entries()) {
  for (const forgets of [false, true]) {
    const name = `${transports.join(", ")}${forgets ? ", with a server that forgets sessions" : ""}`;
    test(name, withServer({}, async (server) => {
      const proxy = await badProxy(server.port, SEED * 100 + index * 10 + forgets);
      const next = random(SEED);
      let handled = 0;
      server.onsession = (session) => {
        // Numbers of the client within this session; each is the successor of the one before.
        let expected, sent = 0;
        session.onmessage = (data) => {
          const number = Number(typeof data === "string" ? data.split(" ")[0] : data.toString());
          if (expected !== undefined && number !== expected) server.violations.push(`${number} instead of ${expected}`);
          expected = number + 1;
          handled++;
        };
        const timer = setInterval(() => {
          if (session.isOver || !server.sessions.has(session.token)) return clearInterval(timer);
          const number = `${sent++}`;
          session.send(next() < 0.3 ? Buffer.from(number) : next() < 0.1 ? `${number}\r` : `${number} ${"x".repeat(next() * 3000)}`);
        }, 3);
      };
      const sockets = Array.from({ length: CLIENTS }, () => {
        const socket = new Socket(`ws://127.0.0.1:${proxy.number}/`, [], { transports, connectTimeout: 1000 });
        socket.binaryType = "arraybuffer";
        Object.assign(socket, { number: 0, seen: 0, resumes: 0, resets: 0, lost: 0 });
        socket.onmessage = ({ data }) => {
          const number = Number(typeof data === "string" ? data.split(" ")[0] : new TextDecoder().decode(data));
          if (number !== socket.expected && socket.expected !== undefined) server.violations.push(`${number}, not ${socket.expected}`);
          if (socket.expected === undefined && number !== 0) server.violations.push(`${number} is the first`);
          socket.expected = number + 1;
          socket.seen++;
        };
        socket.onresumed = () => socket.resumes++;
        socket.onreset = ({ unacknowledged }) => {
          socket.resets++;
          socket.lost += unacknowledged.length;
          socket.expected = undefined;
        };
        return socket;
      });
      const sum = (key) => sockets.reduce((total, socket) => total + socket[key], 0);
      const isEnough = () => proxy.cuts > 5 && sum("resumes") > 5 && sum("seen") > 100;
      const end = Date.now() + SECONDS * 1000;
      // A busy machine needs longer.
      while (Date.now() < end || (!isEnough() && Date.now() < end + 30_000)) {
        for (const socket of sockets) {
          const number = `${socket.number++}`;
          socket.send(next() < 0.3 ? new TextEncoder().encode(number) : `${number} ${"y".repeat(next() * 3000)}`);
        }
        const carried = [...server.sessions.values()].find(({ carrier }) => carrier);
        if (forgets && carried && next() < 0.05) server.sessions.delete(carried.token);
        await sleep(next() * 10);
      }
      proxy.stop();
      // The rest arrives over a network that works.
      const good = createServer((client) => {
        const to = connect(server.port, "127.0.0.1");
        client.pipe(to).pipe(client);
        client.on("error", () => {}).on("close", () => to.destroy());
        to.on("error", () => {}).on("close", () => client.destroy());
      }).listen(proxy.number, "127.0.0.1");
      // The ends of the connections are events to come.
      await sleep(50);
      if (!forgets) await until(() => handled === sum("number"), () => `${name}: ${handled} of ${sum("number")}`);
      for (const socket of sockets) {
        await until(() => socket.transport !== null);
        socket.close(1000);
        const { code, wasClean } = await once(socket, "close");
        assert.deepEqual([code, wasClean], [1000, true]);
      }
      good.close();
      const counts = { cuts: proxy.cuts, up: sum("number"), down: sum("seen"), resumes: sum("resumes"), resets: sum("resets") };
      console.log(`seed ${SEED}: ${name}: ${JSON.stringify(counts)}`);
      assert.ok(isEnough());
      if (!forgets) assert.equal(sum("resets"), 0);
    }));
  }
}
