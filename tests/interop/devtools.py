"""Pages in Chromium, driven by the Chrome DevTools Protocol."""
import asyncio
import contextlib
import itertools
import json
import pathlib

import chromium
import websockets

# Time limit of a condition in seconds. The machine may be busy, and a server may first have to notice
# that another is gone.
PATIENCE = 120


async def until(condition, what):
    """Polls a condition that has no event."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"waited for {what}") from None


class Browser:
    def __init__(self, connection):
        self.connection = connection
        self.numbers = itertools.count(1)
        self.answers = {}
        self.events = {}

    @classmethod
    @contextlib.asynccontextmanager
    async def start(cls):
        flags = ["--remote-debugging-port=0", "--disable-background-timer-throttling",
                 "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding"]
        with chromium.at("about:blank", *flags) as profile:
            port = pathlib.Path(profile, "DevToolsActivePort")
            await until(lambda: port.exists() and len(port.read_text().split()) == 2, "Chromium")
            port, path = port.read_text().split()
            # No pings, because a busy browser may answer late.
            url = f"ws://127.0.0.1:{port}{path}"
            async with websockets.connect(url, max_size=None, ping_interval=None) as connection:
                browser = cls(connection)
                reader = asyncio.create_task(browser.read())
                yield browser
                reader.cancel()

    async def read(self):
        with contextlib.suppress(websockets.ConnectionClosed):
            async for message in self.connection:
                message = json.loads(message)
                if "id" in message:
                    self.answers.pop(message["id"]).set_result(message)
                else:
                    self.event_of(message.get("sessionId"), message["method"]).set()

    def event_of(self, session, method):
        return self.events.setdefault((session, method), asyncio.Event())

    async def call(self, method, session=None, **params):
        number = next(self.numbers)
        answer = self.answers[number] = asyncio.get_running_loop().create_future()
        request = {"id": number, "method": method, "params": params}
        await self.connection.send(json.dumps(request | ({"sessionId": session} if session else {})))
        answer = await asyncio.wait_for(answer, PATIENCE)
        assert "error" not in answer, (method, answer["error"])
        return answer["result"]

    async def agent(self):
        return (await self.call("Browser.getVersion"))["userAgent"]


class Page:
    """A page in its own window."""

    checks = 0

    def __init__(self, browser, session):
        self.browser, self.session = browser, session

    @classmethod
    async def open(cls, browser, url):
        target = await browser.call("Target.createTarget", url="about:blank", newWindow=True)
        attached = await browser.call("Target.attachToTarget", targetId=target["targetId"], flatten=True)
        page = cls(browser, attached["sessionId"])
        await page.call("Page.enable")
        await page.call("Page.navigate", url=url)
        await page.event("Page.loadEventFired")
        return page

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    async def event(self, method):
        """Waits for an event, which may have happened before."""
        await asyncio.wait_for(self.browser.event_of(self.session, method).wait(), PATIENCE)

    async def run(self, script):
        """Returns the value of a script, awaited if it is a promise."""
        answer = await self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, (script, answer["exceptionDetails"])
        return answer["result"].get("value")

    async def until(self, condition):
        """Waits for a condition of the page, which is checked after each change."""
        watch = """new Promise(done => {
            const check = () => { if (CONDITION) { watcher.disconnect(); done(); } };
            const watcher = new MutationObserver(check);
            watcher.observe(document, { subtree: true, childList: true, attributes: true, characterData: true });
            check();
        })""".replace("CONDITION", condition)
        try:
            await self.run(watch)
        except TimeoutError:
            text = await self.run("document.body.innerText")
            raise AssertionError(f"waited for {condition}, but:\n{text}") from None
        Page.checks += 1
