"""The documentation page of examples/rpc in Chromium: connects, calls, and answers a call of the server. Then a page
whose contract has hostile texts, which stay texts.

    docs.py RPC DOCS [FOLDER]

The arguments are the programs of the example, built with the feature `contract`, and of interop-docs beside this file.
With a folder, the script stores screenshots in it.
"""
import asyncio
import base64
import json
import pathlib
import sys

import chromium
import devtools
from chat import free_ports, node

# The sizes of screenshots.
SIZES = [(1280, 900), (390, 844)]


class Page(devtools.Page):
    """A documentation page."""

    async def click(self, text, within="document"):
        await self.run(f"[...{within}.querySelectorAll('button, summary')]"
                       f".find(one => one.textContent.trim() === {json.dumps(text)}).click()")

    async def entry(self, *texts):
        """Waits for an entry of the log with these texts."""
        await self.until(f"[...document.querySelectorAll('.entries li')].some(entry => {json.dumps(texts)}"
                         ".every(text => entry.textContent.includes(text)))")

    async def compose(self, name, value):
        """Chooses a call as a reader does, and writes its parameters."""
        await self.click("Try it", f"document.getElementById({json.dumps(name)})")
        await self.run("(() => { const text = document.querySelector('.compose textarea');"
                       f"text.value = {json.dumps(value)}; text.dispatchEvent(new Event('input')); }})()")

    async def picture(self, folder, name):
        if folder is None:
            return
        for width, height in SIZES:
            await self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                            mobile=False)
            for scheme in ["light", "dark"]:
                await self.call("Emulation.setEmulatedMedia",
                                features=[{"name": "prefers-color-scheme", "value": scheme}])
                shot = await self.call("Page.captureScreenshot")
                pathlib.Path(folder, f"{name}-{width}-{scheme}.png").write_bytes(base64.b64decode(shot["data"]))
        await self.call("Emulation.clearDeviceMetricsOverride")


async def talk(browser, url, folder):
    page = await Page.open(browser, url)
    await page.until("document.querySelector('h1').textContent === 'Calculator'")
    await page.picture(folder, "page")
    call = "Rpc/rpc/client/call/"
    # The first message connects.
    await page.compose(f"{call}add", '{"a": 9007199254740993, "b": 4}')
    await page.click("Connect and send")
    await page.entry("→ sent", "add", "call", '"a": 9007199254740993')
    # The sum has digits that a number of JavaScript does not have.
    await page.entry("← received", "add", "answer, ", '"result": 9007199254740997')
    await page.compose(f"{call}divide", '{"a": 7, "b": 0}')
    await page.click("Send")
    await page.entry("← received", "divide", "error -32000", '{"dividend": 7}')
    await page.compose(f"{call}ask", '{"question": "why?"}')
    await page.click("Send")
    await page.entry("← received", "answer", "call", '"question": "why?"')
    await page.run("document.querySelector('.answer textarea').value = '\"because\"'")
    await page.click("Answer")
    await page.entry("→ sent", "answer", '"result": "because"')
    await page.entry("← received", "ask", '"result": "because"')
    # A value that does not fit is marked, and sent all the same.
    await page.compose(f"{call}add", '{"a": "1", "b": 4, "c": 5}')
    await page.until("document.getElementById('hint').textContent === 'a is not of type integer'")
    await page.click("Send")
    await page.entry("→ sent", "add", "Differs from the contract: a is not of type integer.")
    await page.entry("← received", "add", "error -32602")
    await page.compose(f"{call}subscribe_clock", '{"period_ms": 1}')
    await page.click("Send")
    await page.entry("← received", "tick", "message", '"n": 1')
    # The log keeps its last 500 entries.
    await page.until("document.querySelector('.traffic-bar').textContent.includes('The last 500 entries')")
    await page.until("document.querySelectorAll('.entries li').length === 500")
    await page.compose(f"{call}unsubscribe_clock", "")
    await page.click("Send")
    await page.entry("← received", "unsubscribe_clock", "answer, ")
    await page.click("Clear")
    await page.compose(f"{call}add", '{"a": 1, "b": 2}')
    await page.click("Send")
    await page.entry("← received", "add", '"result": 3')
    await page.picture(folder, "console")
    await page.click("Disconnect")
    await page.entry("Closed with 1000")
    await page.until("document.querySelector('.status').textContent === 'Closed with 1000'")


async def hostile(browser, url):
    """Opens a page whose texts are those of interop-docs: each contains an image that would set `pwned`."""
    page = await Page.open(browser, url)
    await page.until("document.querySelectorAll('main h4').length === 6")
    assert await page.run("document.body.innerText.split('<img src=x onerror=').length - 1") > 8
    assert await page.run("[...document.querySelectorAll('img, script[src], iframe')].length") == 0
    # A script of the page that wrote HTML would fail.
    written = "(() => { try { document.body.innerHTML = '<img src=x>'; return 'written'; } catch (error) { return error.name; } })()"
    assert await page.run(written) == "TypeError"
    await page.run("new Promise(done => setTimeout(done, 100))")
    assert await page.run("typeof pwned") == "undefined"
    Page.checks += 4


async def main(rpc, docs, folder=None):
    async with devtools.Browser.start() as browser:
        ports = free_ports(2)
        async with node(rpc, ports[0]), node(docs, ports[1]):
            await talk(browser, f"http://127.0.0.1:{ports[0]}/docs", folder)
            await hostile(browser, f"http://127.0.0.1:{ports[1]}/docs")
        print(f"{chromium.name(await browser.agent()):24} {Page.checks} checks   the documentation page, with its console")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
