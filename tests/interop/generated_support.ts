// Starts the programs that generated clients connect to.
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type AddressInfo } from "node:net";

/** Returns a free port. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

/** Starts a program with an address, and waits until it listens. */
export async function start(program: string, port: number): Promise<ChildProcess> {
  const child = spawn(program, [`127.0.0.1:${port}`], { stdio: "ignore" });
  for (let tries = 0; tries < 400; tries++) {
    const socket = connect(port, "127.0.0.1");
    const isOpen = await once(socket, "connect").then(() => true, () => false);
    socket.destroy();
    if (isOpen) return child;
    await new Promise((done) => setTimeout(done, 50));
  }
  throw new Error(`${program} does not listen`);
}
