"""The page of an inspector in Chromium: lists, searches and sorts thousands of connections, watches messages, closes
connections, and shows hostile texts as texts.

    inspector.py SERVER [FOLDER]

The first argument is interop-inspector beside this file. With a folder, the script stores screenshots in it.
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
SIZES = [(1280, 800), (390, 844)]

# Connections of the large server. Each takes two files of this process' limit.
MANY = 4000


class Page(devtools.Page):
    """The page of an inspector."""

    async def click(self, text, within="document"):
        await self.run(f"[...{within}.querySelectorAll('button, summary')].filter(one => one.offsetParent)"
                       f".find(one => one.textContent.trim() === {json.dumps(text)}).click()")

    async def key(self, key, text=""):
        """Presses a key as a user does."""
        for kind in ["keyDown", "keyUp"]:
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, text=text if kind == "keyDown" else "")

    async def search(self, text):
        await self.key("/", "/")
        await self.run("document.activeElement.matches('input[type=search]') || (() => { throw Error('the key / focuses the search') })()")
        await self.run(f"document.activeElement.value = {json.dumps(text)};"
                       "document.activeElement.dispatchEvent(new Event('input'))")

    async def matched(self, text):
        await self.until(f"document.querySelector('.matched').textContent === {json.dumps(text)}")

    async def rows(self, column):
        """Returns the texts of a column, from the top of the window on."""
        return await self.run("[...document.querySelectorAll('main .table:not([hidden]) .body > .row:not([hidden])')]"
                              ".sort((one, other) => one.ariaRowIndex - other.ariaRowIndex)"
                              f".map(row => row.querySelector('.{column}').textContent)")

    async def picture(self, folder, name):
        if folder is None:
            return
        for width, height in SIZES:
            await self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
            for scheme in ["light", "dark"]:
                await self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
                await asyncio.sleep(0.4)
                shot = await self.call("Page.captureScreenshot")
                pathlib.Path(folder, f"{name}-{width}-{scheme}.png").write_bytes(base64.b64decode(shot["data"]))
        await self.call("Emulation.clearDeviceMetricsOverride")


def check(condition, what):
    assert condition, what
    Page.checks += 1


async def inspect(browser, url, folder):
    page = await Page.open(browser, f"{url}/_ws")
    await page.until("document.querySelector('.live').textContent === 'Live'")
    # The inspector itself is a connection.
    await page.matched("201 connections")
    await page.until("[...document.querySelectorAll('.cell .spark .line')].some(line => line.getAttribute('points').split(' ').length > 8)")
    await page.picture(folder, "connections")

    # Search, and keys.
    await page.search("guest user:1")
    await page.until("/^\\d+ of 201 connections$/.test(document.querySelector('.matched').textContent)")
    check(all(name == "Guest" for name in await page.rows("handler")), "the search selects guests")
    await page.search("no such connection")
    await page.until("document.querySelector('.table .empty').textContent.includes('Nothing matches')")
    await page.picture(folder, "nothing")
    await page.key("Escape")
    await page.matched("201 connections")
    await page.key("Escape")

    # Order.
    await page.click("Handler")
    await page.until("document.querySelector('[aria-sort=ascending]').textContent === 'Handler'")
    names = await page.until_rows("handler", lambda names: names and names == sorted(names))
    check(names[0] == "Guest", names[:3])

    # Hostile texts stay texts: a tag and, later, a message.
    await page.search("onerror")
    await page.matched("1 of 201 connections")
    await page.key("Enter")
    await page.key("Enter")
    await page.until("document.querySelector('.details h2').textContent.startsWith('Guest #')")
    await page.until("document.querySelector('.details .tag-list').textContent.includes('<img src=x onerror=pwned=1>')")
    await page.key("Escape")
    await page.until("document.querySelector('.details').hidden")

    # Messages of one connection, redacted. A client of this room sends a hostile text.
    await page.search("guest room:0")
    await page.matched("22 of 201 connections")
    await page.key("ArrowDown")
    await page.key("Enter")
    await page.until("document.querySelector('.details .messages button')?.textContent === 'Watch'")
    check(await page.run("document.querySelectorAll('.log li').length") == 0, "no message is shown before")
    await page.key("w", "w")
    await page.until("document.querySelectorAll('.log li').length > 3")
    log = await page.run("document.querySelector('.log').textContent")
    check("······" in log and "secret" not in log, "the messages are redacted")
    await page.until("document.querySelector('.log').textContent.includes('<img src=x onerror=pwned=1>')")
    await page.picture(folder, "details")
    await page.key("w", "w")
    await page.until("document.querySelector('.details .messages button')?.textContent === 'Watch'")
    check(await page.run("typeof pwned") == "undefined", "no text becomes HTML")
    check(await page.run("document.querySelectorAll('img, iframe, script[src]').length") == 0, "no text becomes HTML")
    written = "(() => { try { document.body.innerHTML = '<img src=x>'; return 'written'; } catch (error) { return error.name; } })()"
    check(await page.run(written) == "TypeError", "a script that wrote HTML would fail")

    # A close of one connection, and of all with a tag.
    await page.click("Close…")
    await page.picture(folder, "close")
    await page.click("Close", "document.querySelector('.ask')")
    await page.until("document.querySelector('.notice').textContent === '1 connection is closing'")
    await page.until("document.querySelector('.details .state').textContent === 'ended'")
    await page.key("Escape")
    await page.search("user:30")
    await page.matched("2 of 200 connections")
    await page.key("ArrowDown")
    await page.key("Enter")
    await page.until("document.querySelector('.details .tag-list button')?.textContent === 'Kick…'")
    await page.click("Kick…", "[...document.querySelectorAll('.details .tag-list > *')].find(tag => tag.textContent.includes('user:30'))")
    await page.click("Close", "document.querySelector('.ask')")
    await page.until("document.querySelector('.notice').textContent === '2 connections are closing'")
    await page.matched("0 of 198 connections")
    await page.key("Escape")

    await page.key("2", "2")
    await page.until("document.querySelectorAll('.endpoints article').length === 3")
    check("websocat" in await page.run("document.querySelector('.endpoints').textContent"), "commands are offered")
    await page.picture(folder, "endpoints")
    await page.key("3", "3")
    await page.until("document.querySelectorAll('[aria-label=Topics] .body > .row').length > 3")
    await page.key("ArrowDown")
    await page.key("Enter")
    await page.until("document.querySelectorAll('.members-list li').length > 10")
    await page.picture(folder, "topics")


async def without_permission(browser, url, folder):
    """A page that may look has no buttons that close; one without permission gets what an unknown path gets."""
    page = await Page.open(browser, f"{url}/_look?look")
    await page.until("document.querySelector('.badge').textContent === 'can look'")
    await page.matched("199 connections")
    await page.key("ArrowDown")
    await page.key("Enter")
    await page.until("document.querySelector('.details h2').textContent.includes('#')")
    check(await page.run("document.querySelectorAll('.danger').length") == 0, "no button closes")
    check(await page.run("document.querySelector('.messages button').hidden"), "this inspector shows no messages")
    # A script that sends what the page does not offer is disconnected.
    code = await page.run("""new Promise(done => {
        const socket = new WebSocket(location.href.replace("http", "ws"));
        socket.onopen = () => socket.send(JSON.stringify({ type: "kick", tag: "plan:pro", code: 4000, reason: "" }));
        socket.onclose = ({ code }) => done(code);
    })""")
    check(code == 1008, code)
    # The status is that of an unknown path, also for the socket.
    page = await Page.open(browser, f"{url}/_look")
    check(await page.run("document.body.textContent") == "not found\n", "the page is not found")
    unknown = await Page.open(browser, f"{url}/unknown")
    check(await unknown.run("document.body.textContent") == "not found\n", "like an unknown path")


async def many(browser, url, folder):
    """Thousands of connections: the page has few elements, scrolls at the rate of the screen, and stays small."""
    page = await Page.open(browser, f"{url}/_ws")
    await page.matched(f"{MANY + 1:,} connections")
    scrolled = await page.run("""new Promise(done => {
        const body = document.querySelector("[aria-label=Connections] .body"), steps = 120;
        let step = 0, elements = 0, longest = 0, last = performance.now();
        const frame = (now) => {
            longest = Math.max(longest, now - last);
            last = now;
            body.scrollTop = body.scrollHeight * (step / steps);
            elements = Math.max(elements, document.querySelectorAll("*").length);
            step += 1;
            if (step <= steps) requestAnimationFrame(frame); else done({ elements, longest });
        };
        requestAnimationFrame(frame);
    })""")
    check(scrolled["elements"] < 4000, scrolled)
    # All rows that are visible after the scrolling arrive.
    last = await page.until_rows("id", lambda ids: ids and int(ids[-1]) < MANY // 10)
    check(len(last) < 120, len(last))
    await page.run("document.querySelector('[aria-label=Connections] .body').focus()")
    await page.key("Home")
    await page.until_rows("id", lambda ids: ids and int(ids[0]) > MANY)
    await page.search("guest 127.0")
    await page.until("/^[\\d,]+ of 4,001 connections$/.test(document.querySelector('.matched').textContent)")
    await page.picture(folder, "many")
    return scrolled


async def until_rows(page, column, condition):
    """Waits until the texts of a column fulfil a condition."""
    for _ in range(devtools.PATIENCE * 10):
        rows = await page.rows(column)
        if condition(rows):
            Page.checks += 1
            return rows
        await asyncio.sleep(0.1)
    raise AssertionError(f"{column}: {rows}")


Page.until_rows = until_rows


async def main(server, folder=None):
    async with devtools.Browser.start() as browser:
        ports = free_ports(2)
        async with node(server, ports[0]):
            await inspect(browser, f"http://127.0.0.1:{ports[0]}", folder)
            await without_permission(browser, f"http://127.0.0.1:{ports[0]}", folder)
        async with node(server, ports[1], str(MANY)):
            scrolled = await many(browser, f"http://127.0.0.1:{ports[1]}", folder)
        print(f"{chromium.name(await browser.agent()):24} {Page.checks} checks   the inspector; {MANY:,} connections in "
              f"{scrolled['elements']} elements, the longest frame {scrolled['longest']:.0f} ms")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
