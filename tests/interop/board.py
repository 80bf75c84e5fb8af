"""The example board: its client in Rust, examples/feed, and its page in Chromium. Both survive a restart of the server.

    board.py BOARD FEED FOLDER

BOARD and FEED are programs. The script writes screenshots of the page into the folder.
"""
import asyncio
import base64
import contextlib
import json
import pathlib
import re
import signal
import sys

import chromium
import devtools
from chat import free_ports, kill, node

SYMBOLS = ["AAPL", "GOOGL", "META", "MSFT", "NVDA", "V"]


def total(prices):
    return sum(count for _, count in prices.values())


class Feed:
    """The program feed, which prints a line a second."""

    @classmethod
    @contextlib.asynccontextmanager
    async def start(cls, binary, *args):
        process = await asyncio.create_subprocess_exec(
            binary, *args, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE)
        try:
            yield cls(process)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()

    def __init__(self, process):
        self.process = process

    async def line(self):
        line = await asyncio.wait_for(self.process.stdout.readline(), devtools.PATIENCE)
        assert line, "feed has ended"
        return line.decode().strip()

    async def prices(self):
        """Returns the last price of each symbol, and the number of its prices."""
        found = re.findall(r"(\w+): (\d+\.\d\d) \((\d+)\)", await self.line())
        return {symbol: (float(price), int(count)) for symbol, price, count in found}

    async def receives(self, expected):
        """Waits for a number of prices in all."""
        prices = {}
        while total(prices) < expected:
            prices = await self.prices()
        assert sorted(prices) == SYMBOLS, prices
        assert all(count > 0 for _, count in prices.values()), prices
        return prices


async def feed(board, binary):
    [port] = free_ports(1)
    addr = f"127.0.0.1:{port}"
    async with Feed.start(binary, addr, *SYMBOLS) as reader:
        async with node(board, port) as running:
            earlier = await reader.receives(300)
            later = await reader.prices()
            assert any(later[symbol][0] != earlier[symbol][0] for symbol in SYMBOLS), later
            async with Feed.start(binary, addr, "--once", "AAPL") as once:
                assert re.fullmatch(r"AAPL: \d+\.\d\d, opened at 229\.50", await once.line())
                assert await once.process.wait() == 0
            kill(running)
        async with node(board, port):
            # The counts of the second connection begin at 0.
            while total(await reader.prices()) > 200:
                pass
            await reader.receives(300)
            reader.process.send_signal(signal.SIGINT)
            while not (line := await reader.line()).startswith("client"):
                pass
            assert line == "client is shutting down, after 2 connections", line
            assert await reader.process.wait() == 0


class Page(devtools.Page):
    """The page of the board."""

    async def log_in(self, password):
        await self.run("document.getElementById('user').value = 'anna';"
                       f"document.getElementById('password').value = {json.dumps(password)};"
                       "document.getElementById('login').requestSubmit()")

    async def shows(self, name, text):
        await self.until(f"document.getElementById({json.dumps(name)}).textContent === {json.dumps(text)}")

    async def search(self, text):
        await self.run("{ const search = document.getElementById('search');"
                       f"search.value = {json.dumps(text)};"
                       "search.dispatchEvent(new Event('input'));"
                       "search.dispatchEvent(new KeyboardEvent('keydown', { key: 'Enter' })); }")

    async def choose(self, text, symbol):
        """Chooses a symbol by a search."""
        await self.search(text)
        await self.shows("symbol", symbol)

    async def moves(self):
        """Waits until the price of the chosen symbol has changed, and the picture of the list."""
        price = await self.run("document.getElementById('price').textContent")
        image = await self.run("document.querySelector('#list canvas').toDataURL()")
        await self.until(f"/^[\\d,]+\\.\\d\\d$/.test(document.getElementById('price').textContent)"
                         f" && document.getElementById('price').textContent !== {json.dumps(price)}")
        await self.until(f"document.querySelector('#list canvas').toDataURL() !== {json.dumps(image)}")

    async def receives(self, least, most):
        """Waits for a number of prices a second."""
        rate = "Number(document.getElementById('rate').textContent.replace(',', ''))"
        await self.until(f"{rate} >= {least} && {rate} <= {most}")

    async def screenshot(self, path, scheme, width, height):
        await self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 500)
        await self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        # The frame after the next one has been drawn with the new size.
        await self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert await self.run("document.documentElement.scrollWidth <= innerWidth"), f"the page is wider than {width}"
        image = await self.call("Page.captureScreenshot", format="png")
        path.write_bytes(base64.b64decode(image["data"]))


async def draws(browser, board, folder):
    [port] = free_ports(1)
    async with node(board, port) as running:
        page = await Page.open(browser, f"http://127.0.0.1:{port}/")
        await page.log_in("looking-glass")
        await page.shows("problem", "Wrong password. 2 attempts are left.")
        await page.log_in("wonderland")
        await page.shows("status", "Connected")
        await page.shows("all", "200")
        await page.moves()
        await page.receives(1000, 2400)
        for text, symbol in [("microsoft", "MSFT"), ("nvd", "NVDA")]:
            await page.choose(text, symbol)
            await page.run("document.getElementById('watch').click()")
        await page.shows("watched", "2")
        await page.moves()
        await page.search("")
        for scheme in ["light", "dark"]:
            for width, height in [(1280, 800), (390, 844)]:
                await page.screenshot(folder / f"board-{scheme}-{width}.png", scheme, width, height)
        # Ten prices a second of each of two symbols.
        await page.run("document.querySelector('[value=watched]').click()")
        await page.receives(1, 50)
        # And one in calm.
        await page.run("document.querySelector('[value=calm]').click()")
        await page.receives(1, 5)
        await page.shows("status", "Connected")
        kill(running)
        await page.until("document.getElementById('status').textContent.startsWith('Reconnecting')")
    async with node(board, port) as running:
        # A new handler: the page logs in and subscribes again, to the same symbols.
        await page.shows("status", "Connected")
        await page.moves()
        await page.shows("watched", "2")
        await page.receives(1, 5)
        await page.run("document.getElementById('logout').click()")
        await page.until("!document.getElementById('login').hidden")
        for text in ["Wrong password. 2 attempts are left.", "Wrong password. One attempt is left.",
                     "Three wrong passwords. Try again."]:
            await page.log_in("looking-glass")
            await page.shows("problem", text)


async def main(board, binary, folder):
    await feed(board, binary)
    async with devtools.Browser.start() as browser:
        await draws(browser, board, pathlib.Path(folder))
        agent = await browser.agent()
    print(f"{chromium.name(agent):24} {devtools.Page.checks} checks   a board with 2,000 prices a second, restarted; "
          "a feed in Rust")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
