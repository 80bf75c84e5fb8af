"""The handler of examples/hello from pages in Chromium: by WebSocket, EventSource, polling and POST.

    bullet.py HOST:PORT [JQUERY BULLET]

With the paths of jQuery and of Bullet's own script (github.com/ninenines/bullet, `priv/bullet.js`), its client
uses each of its transports too. Without them, the page has a client of its own that does the same.
"""
import asyncio
import json
import pathlib
import sys

import devtools

# A client of the protocol: one promise for each transport, of what it has received.
CLIENT = """
const next = (count, start) => new Promise((done, fail) => {
    const received = [];
    start(text => { received.push(text); if (received.length === count) done(received); }, fail);
});
const transports = {
    websocket: count => next(count, (take, fail) => {
        const socket = new WebSocket(`ws://${location.host}/websocket`);
        socket.onmessage = event => take(event.data);
        socket.onerror = fail;
    }),
    eventsource: count => next(count, (take, fail) => {
        const source = new EventSource('/websocket');
        source.onmessage = event => take(event.data);
        source.onerror = fail;
    }),
    polling: async count => {
        const received = [];
        while (received.length < count) {
            const headers = { 'X-Socket-Transport': 'xhrPolling' };
            const response = await fetch(`/websocket?_=${Date.now()}`, { headers, cache: 'no-store' });
            if (response.status === 200) received.push(await response.text());
        }
        return received;
    },
    post: async text => (await fetch('/websocket', { method: 'POST', body: text })).text(),
};
"""

# Uses one transport of Bullet's client: what arrives after `hello` was sent, up to the reply and one more message.
BULLET = """
new Promise((done, fail) => {
    const received = [];
    const stream = $.bullet('ws://' + location.host + '/websocket', OPTIONS);
    stream.ondisconnect = () => fail(new Error('no transport works'));
    stream.onopen = () => stream.send('hello');
    stream.onmessage = event => {
        received.push(event.data);
        if (received.includes(REPLY) && received.length >= 3) { stream.close(); done(received); }
    };
})
"""
REPLY = "That's what she said! hello"
FIRST, SECOND = "Hello!", "How' you doin'?"


async def check(page, script, expect):
    received = await page.run(script)
    assert received == expect, (script, received)
    devtools.Page.checks += 1


async def main(server, scripts):
    async with devtools.Browser.start() as browser:
        page = await devtools.Page.open(browser, f"http://{server}/")
        await page.run(CLIENT + "window.transports = transports; 0")
        await check(page, "transports.websocket(2)", [FIRST, SECOND])
        await check(page, "transports.eventsource(2)", [FIRST, SECOND])
        await check(page, "transports.polling(2)", [FIRST, FIRST])
        await check(page, "transports.post('hello')", REPLY)

        # A page of another origin gets nothing.
        other = await devtools.Page.open(browser, "data:text/html,other")
        for request in ["{}", "{ method: 'POST', body: 'hello' }", "{ headers: { 'X-Socket-Transport': 'x' } }"]:
            failed = f"fetch('http://{server}/websocket', {request}).then(() => 'an answer', () => 'none')"
            await check(other, failed, "none")

        own = "without Bullet's script"
        if scripts:
            own = "with Bullet's script"
            for script in scripts:
                await page.run(pathlib.Path(script).read_text("latin-1") + "; 0")
            greetings = {"": [FIRST, SECOND], "disableWebSocket": [FIRST, SECOND],
                         "disableWebSocket disableEventSource": [FIRST, FIRST]}
            for disabled, expect in greetings.items():
                options = json.dumps({name: True for name in disabled.split()})
                received = await page.run(BULLET.replace("OPTIONS", options).replace("REPLY", json.dumps(REPLY)))
                assert [text for text in received if text != REPLY][:2] == expect[:len(received) - 1], received
                assert received.count(REPLY) >= 1, received
                devtools.Page.checks += 1
        print(f"{'Chromium, Bullet':24} {devtools.Page.checks} checks   {own}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2:]))
