"""The page of examples/chat in Chromium, with two visitors who chat. First on one node, which is killed
and restarts without its history. Then on two nodes with a NATS server between them, of which one is
killed: its visitor reconnects to the other node and has every line once.

    chat.py BINARY

The example is built with the feature `nats`. Without a nats-server the script skips the second part,
unless the variable CI is `true`.
"""
import asyncio
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile

import chromium
import devtools
from devtools import until


# Lines that a new member gets, as in the example.
RECENT = 50


class Page(devtools.Page):
    """A page of the chat."""

    async def join(self, name):
        await self.run(f"document.getElementById('name').value = {json.dumps(name)};"
                       "document.getElementById('join').requestSubmit()")

    async def submit(self, text):
        await self.run(f"document.getElementById('text').value = {json.dumps(text)};"
                       "document.getElementById('say').requestSubmit()")

    async def submit_online(self, text):
        """Submits a text as soon as the page takes one. A cut between a check and the submission would lose the text."""
        await self.until("(() => { if (document.getElementById('send').disabled) return false;"
                         f"document.getElementById('text').value = {json.dumps(text)};"
                         "document.getElementById('say').requestSubmit(); return true; })()")

    async def gets_back(self, text):
        """Submits a text until the page returns it, because no node accepts it."""
        async with asyncio.timeout(devtools.PATIENCE):
            while await self.run("document.getElementById('text').value") != text:
                await self.submit(text)
                await asyncio.sleep(0.1)
        await self.until("document.getElementById('status').textContent.startsWith('Not said: ')")

    async def say(self, text):
        """Submits a text and waits until the log contains it."""
        await self.until("!document.getElementById('send').disabled")
        await self.submit(text)
        await self.until(f"document.getElementById('log').lastChild?.textContent.endsWith({json.dumps(': ' + text)})")

    async def sees(self, here, said, on):
        """Waits for the members, for the whole log in order, and for the node of the connection."""
        texts = "[...document.querySelectorAll('#%s li')].map(item => item.textContent)"
        for part, expect in [(f"{texts % 'present'}.sort()", sorted(here)), (texts % "log", said)]:
            await self.until(f"JSON.stringify({part}) === JSON.stringify({json.dumps(expect)})")
        await self.until(f"document.getElementById('status').textContent === 'Connected to 127.0.0.1:{on}'")


def free_ports(count):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


def is_listening(port):
    with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
        return True


@contextlib.contextmanager
def process(*command, **pipes):
    """Runs a program until the block ends or kills it."""
    running = subprocess.Popen(command, stdin=subprocess.DEVNULL, **pipes)
    try:
        yield running
    finally:
        running.kill()
        running.wait()


@contextlib.asynccontextmanager
async def node(binary, port, *args):
    with process(binary, f"127.0.0.1:{port}", *args, stdout=subprocess.DEVNULL) as running:
        await until(lambda: running.poll() is not None or is_listening(port), "the node is up")
        assert running.poll() is None, f"{binary} has ended with {running.returncode}"
        yield running


def kill(running):
    """Kills a program like a power failure."""
    running.kill()
    running.wait()


async def meet(browser, *ports):
    """Opens two pages whose visitors exchange messages."""
    anna, ben = [await Page.open(browser, f"http://127.0.0.1:{port}/") for port in ports]
    await anna.join("anna")
    await ben.join("<b>ben</b>")
    here = ["anna", "<b>ben</b>"]
    for page, port in zip((anna, ben), ports):
        await page.sees(here, [], port)
    await anna.say("hello")
    await ben.until("document.querySelectorAll('#log li').length === 1")
    await ben.say("<i>hi</i> κόσμε 🎈")
    said = ["anna: hello", "<b>ben</b>: <i>hi</i> κόσμε 🎈"]
    for page, port in zip((anna, ben), ports):
        await page.sees(here, said, port)
    return anna, ben, here, said


async def restarted(browser, binary):
    [port] = free_ports(1)
    async with node(binary, port) as running:
        anna, ben, here, _ = await meet(browser, port, port)
        kill(running)
        for page in (anna, ben):
            await page.until("document.getElementById('send').disabled")
    async with node(binary, port):
        # The restarted node has no history, so the log is empty.
        for page in (anna, ben):
            await page.sees(here, [], port)
        await ben.say("who was here?")
        for page in (anna, ben):
            await page.sees(here, ["<b>ben</b>: who was here?"], port)


@contextlib.contextmanager
def broker(program):
    store = tempfile.mkdtemp()
    command = [program, "-a", "127.0.0.1", "-p", "-1", "-js", "-sd", store]
    try:
        with process(*command, stderr=subprocess.PIPE, text=True) as running:
            log = iter(running.stderr.readline, "")
            port = next(found[1] for found in map(re.compile(r"client connections on .*:(\d+)").search, log) if found)
            assert any("Server is ready" in line for line in log)
            yield running, f"nats://127.0.0.1:{port}"
    finally:
        shutil.rmtree(store, ignore_errors=True)


async def failed_over(browser, binary, nats_server):
    ports = free_ports(2)
    with broker(nats_server) as (nats, url):
        args = ["--nats", url, "--peers", ",".join(f"http://127.0.0.1:{port}" for port in ports)]
        async with node(binary, ports[0], *args), node(binary, ports[1], *args) as second:
            anna, ben, here, said = await meet(browser, *ports)
            # The debugger pauses the page at the disconnect, so that it misses lines.
            await ben.run("document.querySelector('#log li').id = 'kept'")
            await ben.call("Debugger.enable")
            await ben.call("Debugger.pause")
            kill(second)
            await ben.event("Debugger.paused")
            for number in range(RECENT + 10):
                await anna.say(f"line {number}")
                said.append(f"anna: line {number}")
            await ben.call("Debugger.disable")
            # The members of the killed node expire eventually.
            for page in (anna, ben):
                await page.sees(here, said, ports[0])
            # The log continues and does not start again.
            await ben.until("document.getElementById('kept')?.textContent === 'anna: hello'")
            await ben.say("back again")
            said.append("<b>ben</b>: back again")
            for page in (anna, ben):
                await page.sees(here, said, ports[0])
            async with node(binary, ports[1], *args):
                # A page without a position reads the history from the broker.
                carl = await Page.open(browser, f"http://127.0.0.1:{ports[1]}/")
                await carl.join("carl")
                await carl.sees([*here, "carl"], said[-RECENT:], ports[1])
                await carl.say("I am new here")
                for page in (anna, ben):
                    await page.sees([*here, "carl"], [*said, "carl: I am new here"], ports[0])
                kill(nats)
                await carl.gets_back("is anybody there?")


async def main(binary):
    async with devtools.Browser.start() as browser:
        await restarted(browser, binary)
        nodes = "one node, restarted"
        nats_server = shutil.which("nats-server", path=os.environ["PATH"] + ":/usr/sbin")
        if nats_server:
            await failed_over(browser, binary, nats_server)
            nodes += "; on two, one of them killed"
        else:
            assert os.environ.get("CI") != "true", "nats-server is missing"
            print("no nats-server: the chat is not tried on two nodes", file=sys.stderr)
        agent = await browser.agent()
    print(f"{chromium.name(agent):24} {devtools.Page.checks} checks   a chat on {nodes}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
