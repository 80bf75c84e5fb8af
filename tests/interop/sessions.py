"""Pages in Chromium on bad networks: the page beside this file, which checks that every message arrives exactly once and in
order, and two visitors of `examples/chat`. Directly, and behind an nginx that refuses upgrades, or also buffers, or also refuses
events; each also with cuts of every connection after three seconds.

    sessions.py SERVER CHAT [NETWORK…]
"""
import asyncio
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import chat
import chromium
import devtools

# A message each 20 ms, for 10 s: the nginx that cuts does so three times.
PERIOD, COUNT = 20, 500
LINES = 60

CONFIG = """
daemon off;
pid FOLDER/pid;
error_log FOLDER/error.log;
worker_processes 1;
worker_shutdown_timeout 10ms;
events { worker_connections 512; }
http {
    access_log off;
    client_max_body_size 2m;
    client_body_buffer_size 2m;
    proxy_max_temp_file_size 0;
    client_body_temp_path FOLDER/body;
    proxy_temp_path FOLDER/proxy;
    fastcgi_temp_path FOLDER/fastcgi;
    uwsgi_temp_path FOLDER/uwsgi;
    scgi_temp_path FOLDER/scgi;
    server {
        listen 127.0.0.1:PORT;
        location / {
            proxy_pass http://127.0.0.1:SERVER;
            proxy_http_version 1.1;
            proxy_set_header Host $http_host;
            OPTIONS
        }
    }
}
"""
UPGRADES = "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;"
REFUSES = "proxy_set_header Upgrade ''; proxy_set_header Connection '';"
NO_EVENTS = REFUSES + 'if ($http_accept = "text/event-stream") { return 403; }'
BUFFERS = REFUSES + "proxy_ignore_headers X-Accel-Buffering; proxy_buffers 8 64k; proxy_buffer_size 64k;"

# The options of nginx, whether it cuts, and the transport that gets through.
NETWORKS = {
    "direct": (None, False, "websocket"),
    "cuts": (UPGRADES, True, "websocket"),
    "refuses upgrades": (REFUSES, False, "events"),
    "refuses upgrades, cuts": (REFUSES, True, "events"),
    "buffers": (BUFFERS, False, "events"),
    "buffers, cuts": (BUFFERS, True, "events"),
    "refuses upgrades and events": (NO_EVENTS, False, "polling"),
    "refuses upgrades and events, cuts": (NO_EVENTS, True, "polling"),
}


async def cut(nginx):
    """Cuts all connections every three seconds: the old worker ends, and a new one takes its place."""
    while True:
        await asyncio.sleep(3)
        nginx.send_signal(signal.SIGHUP)


@contextlib.asynccontextmanager
async def network(name, server):
    """Yields the port at which pages reach a server."""
    options, cuts, _ = NETWORKS[name]
    if options is None:
        yield server
        return
    folder = tempfile.mkdtemp()
    try:
        [port] = chat.free_ports(1)
        config = CONFIG.replace("FOLDER", folder).replace("PORT", str(port)).replace("SERVER", str(server))
        path = pathlib.Path(folder, "config")
        path.write_text(config.replace("OPTIONS", options))
        program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        nginx = subprocess.Popen([program, "-c", str(path)], stdin=subprocess.DEVNULL, **quiet)
        cutter = asyncio.create_task(cut(nginx)) if cuts else None
        try:
            await devtools.until(lambda: chat.is_listening(port), "nginx")
            yield port
        finally:
            if cutter:
                cutter.cancel()
            # Ends the worker as well.
            nginx.terminate()
            nginx.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def echoes(browser, name, server):
    _, cuts, transport = NETWORKS[name]
    [port] = chat.free_ports(1)
    async with chat.node(server, port), network(name, port) as reached:
        page = await devtools.Page.open(browser, f"http://127.0.0.1:{reached}/")
        await page.run(f"start({PERIOD}, {COUNT})")
        await page.until(f"state.received === {COUNT}")
        state = json.loads(await page.run("JSON.stringify(state)"))
        assert not state["wrong"], state["wrong"]
        assert state["transport"] == transport, (name, state)
        assert state["reset"] == 0, (name, state)
        # A poll that a cut ends with its answer is followed by the next one.
        assert (state["resumed"] > 0) == cuts or transport == "polling", (name, state)
        await page.run("socket.send('close')")
        await page.until("state.events.at(-1) === 'close'")
        await page.call("Page.close")
        return state["resumed"]


async def talk(browser, name, binary):
    """Two visitors write lines at the same time; both see all lines once, in one order."""
    [port] = chat.free_ports(1)
    async with chat.node(binary, port), network(name, port) as reached:
        pages = [await chat.Page.open(browser, f"http://127.0.0.1:{reached}/") for _ in range(2)]
        for page, visitor in zip(pages, ["anna", "ben"]):
            await page.join(visitor)
            await page.until("!document.getElementById('send').disabled")
        for number in range(LINES // 2):
            for page in pages:
                await page.submit_online(f"line {number}")
            await asyncio.sleep(0.1)
        logs = []
        for page in pages:
            await page.until(f"document.querySelectorAll('#log li').length >= {LINES}")
            texts = "JSON.stringify([...document.querySelectorAll('#log li')].map(item => item.textContent))"
            logs.append(json.loads(await page.run(texts)))
        expected = sorted(f"{by}: line {number}" for number in range(LINES // 2) for by in ("anna", "ben"))
        for log in logs:
            assert sorted(log) == expected, (name, log)
            for by in ("anna", "ben"):
                said = [line for line in log if line.startswith(by)]
                assert said == [f"{by}: line {number}" for number in range(LINES // 2)], said
        assert logs[0] == logs[1], name
        for page in pages:
            await page.call("Page.close")


async def main(server, binary, *names):
    if not shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"):
        assert os.environ.get("CI") != "true", "nginx is missing"
        print("no nginx: the pages are tried on the direct network only", file=sys.stderr)
        names = ["direct"]
    async with devtools.Browser.start() as browser:
        agent = chromium.name(await browser.agent())
        for name in names or NETWORKS:
            resumed = await echoes(browser, name, server)
            await talk(browser, name, binary)
            print(f"{agent:24} {name}: {COUNT} echoes over {NETWORKS[name][2]}, {resumed} resumes; {LINES} lines of a chat")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
