// The clients from npm. run.sh passes the server's URL.
import { createRequire } from 'node:module';
import { WebSocket as Ws } from 'ws';
import { WebSocket as Undici } from 'undici';

const url = process.argv[2];
const version = (name) => createRequire(import.meta.url)(`${name}/package.json`).version;

// Messages to echo: text and bytes.
const payloads = () => [
  'Hello',
  '',
  'κόσμε 🎈',
  'x'.repeat(200_000),
  new Uint8Array([0, 255, 1]),
  new Uint8Array(0),
  new Uint8Array(1 << 20).map((_, i) => (i * 31) & 255),
];

const same = (a, b) =>
  typeof a === 'string' ? a === b : Buffer.compare(Buffer.from(a), Buffer.from(b)) === 0;

// Runs a client with the browser's API, which both clients have.
function run(name, Client, extra = async () => 0) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${name}: no end after 30 s`)), 30_000);
    const client = new Client(url);
    client.binaryType = 'arraybuffer';
    const expected = payloads();
    let checks = 0;
    client.onerror = (event) => reject(new Error(`${name}: ${event.message ?? event.error}`));
    client.onopen = () => payloads().forEach((payload) => client.send(payload));
    client.onmessage = async ({ data }) => {
      if (!same(expected[checks], data)) return reject(new Error(`${name}: message ${checks} differs`));
      checks += 1;
      if (checks === expected.length) {
        client.onmessage = null;
        checks += await extra(client);
        client.close(1000, 'done');
      }
    };
    client.onclose = ({ code, wasClean }) => {
      clearTimeout(timer);
      if (!wasClean || code !== 1000) return reject(new Error(`${name}: closed ${code} ${wasClean}`));
      // Both offer compression, and the server accepts.
      const { extensions } = client;
      if (!extensions.startsWith('permessage-deflate')) return reject(new Error(`${name}: ${extensions}`));
      console.log(`${name.padEnd(24)} ${checks + 1} checks   ${extensions}`);
      resolve();
    };
  });
}

// Fragments with a ping between them, and another ping.
const fragments = (client) =>
  new Promise((resolve, reject) => {
    let pongs = 0;
    client.on('pong', (payload) => {
      pongs += payload.toString() === 'still there?' ? 1 : 0;
    });
    client.once('message', (data) => {
      if (data.toString() !== 'in three parts' || pongs !== 1) return reject(new Error('ws: fragments'));
      resolve(2);
    });
    client.send('in ', { fin: false });
    client.send('three ', { fin: false });
    client.ping('still there?');
    client.send('parts', { fin: true });
  });

await run(`ws ${version('ws')}`, Ws, fragments);
await run(`undici ${version('undici')}`, Undici);
