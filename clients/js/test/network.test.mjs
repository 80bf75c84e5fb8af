// A network that delays, halves, cuts and duplicates at random. Every message arrives exactly once and in order, or
// `reset` tells. Variables choose another run, for example:
// NETWORK_SEED=7 NETWORK_SECONDS=60 NETWORK_CLIENTS=200 node --test --test-name-pattern='^polling' test/network.test.mjs
// With SERVER, the clients also meet the real server, which is killed instead of forgetting a session.
import { createServer, connect } from "node:net";
import { test } from "node:test";
import { SERVER, Socket, TRANSPORTS, TestServer, assert, freePort, killServer, once, reset, sleep, startServer, until } from "./support.mjs";

const number = (name, otherwise) => Number(process.env[name] ?? otherwise);
const SEED = number("NETWORK_SEED", 1), SECONDS = number("NETWORK_SECONDS", 2), CLIENTS = number("NETWORK_CLIENTS", 5);

/** How many clients send in one step, and the messages per second of all servers' handlers. */
const SENDERS = 5, RATE = 1000;

/** Returns a generator of random numbers (mulberry32). */
const random = (seed) => () => {
  seed = (seed + 0x6d2b79f5) | 0;
  let mixed = Math.imul(seed ^ (seed >>> 15), seed | 1);
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
  return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
};

/** Waits until the end of a connection, which is read after its data, has been seen. */
const turn = async () => {
  for (let n = 0; n < 2; n++) await new Promise(setImmediate);
};

/**
 * A proxy whose connections live for a random number of pieces, some of which are cut within a piece. Like a proxy that
 * tries again, it sends some requests on a connection of their own first, and drops the answer. A POST may also arrive
 * a second time later. A GET that arrives later would be another client, which takes the session over.
 */
async function badProxy(port, seed) {
  const next = random(seed), sockets = new Set();
  const open = () => {
    const socket = connect(port, "127.0.0.1");
    sockets.add(socket);
    return socket.on("error", () => {}).on("close", () => sockets.delete(socket));
  };
  const duplicate = async (request, client) => {
    proxy.copies++;
    const copy = open().resume(), closed = new Promise((done) => copy.once("close", done));
    client?.once("close", () => copy.destroy());
    copy.write(request);
    await Promise.race([new Promise((done) => copy.once("data", done)), closed, sleep(next() * 40)]);
    // The server has seen the copy when it has seen its end.
    copy.end();
    await closed;
  };
  const proxy = createServer((client) => {
    const server = open();
    sockets.add(client);
    let pieces = Math.floor(next() ** 2 * 40);
    const end = () => (reset(client), reset(server));
    for (const [from, to] of [[client, server], [server, client]]) {
      let before = Promise.resolve();
      from.on("data", (data) => {
        const delay = next() < 0.3 ? next() * 20 : 0, isLast = pieces-- <= 0;
        const cut = isLast ? data.subarray(0, Math.floor(next() * data.length)) : data;
        const [method] = from === client ? /^(GET|POST) /.exec(data.toString("latin1", 0, 5)) ?? [] : [];
        const isTwice = method && next() < 0.1, isLater = method === "POST " && next() < 0.5;
        before = before.then(async () => {
          if (delay) await sleep(delay);
          // A client that has gone sends its request again, and the earlier one must not arrive after that.
          await turn();
          if (isTwice && !isLater && !to.destroyed) {
            await duplicate(data, client);
            await turn();
          }
          if (to.destroyed) return;
          to.write(cut);
          if (isTwice && isLater) duplicate(data);
          if (!isLast) return;
          proxy.cuts++;
          // What was written is sent before the reset.
          await sleep(2);
          end();
        });
      });
      from.on("error", end);
      if (from === client) from.on("end", end);
      from.on("close", () => (sockets.delete(from), end()));
    }
  });
  proxy.cuts = proxy.copies = 0;
  await new Promise((done) => proxy.listen(0, "127.0.0.1", done));
  proxy.number = proxy.address().port;
  proxy.stop = () => {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  };
  return proxy;
}

/** The server beside this file. `forget` may make it forget a session. */
async function testServer(next) {
  const server = await TestServer.start({ grace: next() < 0.5 ? 50 : 1000 });
  server.onsession = (session) => {
    // Numbers of the client within this session; each is the successor of the one before.
    let expected, sent = 0, handled = 0;
    session.onmessage = (data) => {
      if (data === "done") return session.send(`done ${handled}`);
      const number = Number(typeof data === "string" ? data.split(" ")[0] : data.toString());
      if (expected !== undefined && number !== expected) server.violations.push(`${number} instead of ${expected}`);
      expected = number + 1;
      handled++;
    };
    const timer = setInterval(() => {
      if (session.isOver || !server.sessions.has(session.token)) return clearInterval(timer);
      // Nobody reads what waits in the session that a copy of a request has begun.
      if (session.queue.length > 500) return;
      const number = `${sent++}`;
      session.send(next() < 0.3 ? Buffer.from(number) : next() < 0.1 ? `${number}\r` : `${number} ${"x".repeat(next() * 3000)}`);
    }, CLIENTS * 1000 / RATE);
  };
  server.forget = () => {
    // A session that has received something is the one of a client.
    const known = [...server.sessions.values()].filter(({ received }) => received);
    if (known.length && next() < 0.05) server.sessions.delete(known[Math.floor(next() * known.length)].token);
  };
  return server;
}

/** The real server. Its handler closes with 4003 if a number is not the successor of the one before. */
async function realServer(next) {
  const port = await freePort();
  let child = await startServer(port), starting;
  return {
    port,
    violations: [],
    forget() {
      if (starting || next() > 0.01) return;
      starting = killServer(child).then(() => startServer(port)).then((started) => ([child, starting] = [started]));
    },
    async stop() {
      await starting;
      child.kill("SIGKILL");
    },
  };
}

function run(name, start, transports, forgets, seed) {
  test(name, async () => {
    const next = random(seed), server = await start(next), proxy = await badProxy(server.port, seed);
    const sockets = Array.from({ length: CLIENTS }, () => {
      const socket = new Socket(`ws://127.0.0.1:${proxy.number}/numbers`, [], { transports, connectTimeout: 1000 + CLIENTS * 20 });
      socket.binaryType = "arraybuffer";
      Object.assign(socket, { number: 0, seen: 0, resumes: 0, resets: 0 });
      socket.onmessage = ({ data }) => {
        const text = typeof data === "string" ? data : new TextDecoder().decode(data);
        if (text.startsWith("done ")) return (socket.handled = Number(text.slice(5)));
        const number = Number(text.split(" ")[0]);
        if (number !== (socket.expected ?? 0)) server.violations.push(`${number}, not ${socket.expected ?? 0}`);
        socket.expected = number + 1;
        socket.seen++;
      };
      socket.onresumed = () => socket.resumes++;
      socket.onreset = () => {
        socket.resets++;
        socket.expected = undefined;
        // After the end, which the earlier handler has not answered.
        if (proxy.isStopped) socket.send("done");
      };
      socket.onclose = ({ code, reason }) => socket.isDone || server.violations.push(`closed with ${code} ${reason}`);
      return socket;
    });
    const sum = (key) => sockets.reduce((total, socket) => total + socket[key], 0);
    const isEnough = () => proxy.cuts > 5 && proxy.copies > 3 && sum("resumes") > 5 && sum("seen") > 100 && (!forgets || sum("resets") > 2);
    const end = Date.now() + SECONDS * 1000;
    const good = createServer((client) => {
      const to = connect(server.port, "127.0.0.1");
      client.pipe(to).pipe(client);
      client.on("error", () => {}).on("close", () => to.destroy());
      to.on("error", () => {}).on("close", () => client.destroy());
    });
    try {
      // A busy machine needs longer.
      for (let step = 0; !server.violations.length && (Date.now() < end || (!isEnough() && Date.now() < end + 60_000)); step++) {
        for (let n = 0; n < Math.min(SENDERS, CLIENTS); n++) {
          const socket = sockets[(step * SENDERS + n) % CLIENTS], number = `${socket.number++}`;
          socket.send(next() < 0.3 ? new TextEncoder().encode(number) : `${number} ${"y".repeat(next() * 3000)}`);
        }
        if (forgets) server.forget();
        await sleep(next() * 10);
      }
      proxy.stop();
      proxy.isStopped = true;
      // The rest arrives over a network that works.
      good.listen(proxy.number, "127.0.0.1");
      // The ends of the connections are events to come.
      await sleep(50);
      assert.deepEqual(server.violations, []);
      for (const socket of sockets) {
        socket.send("done");
        await until(() => socket.handled !== undefined, () => `the end: ${JSON.stringify(socket)}`);
        if (!socket.resets) assert.equal(socket.handled, socket.number);
      }
      for (const socket of sockets) {
        await until(() => socket.transport !== null);
        socket.isDone = true;
        socket.close(1000);
        const { code, wasClean } = await once(socket, "close");
        assert.deepEqual([code, wasClean], [1000, true]);
      }
      const { cuts, copies } = proxy;
      const counts = { cuts, copies, up: sum("number"), down: sum("seen"), resumes: sum("resumes"), resets: sum("resets") };
      console.log(`seed ${SEED}: ${name}: ${JSON.stringify(counts)}`);
      assert.deepEqual(server.violations, []);
      assert.ok(isEnough());
      if (!forgets) assert.equal(sum("resets"), 0);
    } finally {
      for (const socket of sockets) {
        socket.isDone = true;
        socket.close();
      }
      proxy.stop();
      good.close();
      await server.stop();
    }
  });
}

for (const [index, transports] of [...TRANSPORTS.map((one) => [one]), ["websocket", "events", "polling"]].entries()) {
  for (const forgets of [false, true]) {
    const name = transports.join(", "), seed = SEED * 100 + index * 10 + forgets;
    run(`${name}${forgets ? ", with a server that forgets sessions" : ""}`, testServer, transports, forgets, seed);
    if (SERVER) run(`${name}, with the real server${forgets ? ", which is killed" : ""}`, realServer, transports, forgets, seed);
  }
}
