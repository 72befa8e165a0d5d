# SPDX-License-Identifier: Apache-2.0
"""A real headless Chromium, driven through its DevTools protocol."""
import asyncio
import base64
import json
import os
import shutil
import subprocess
import time

import aiohttp

SIZE = (1280, 720)
KEYS = {"Enter": 13, "ArrowRight": 39}


class Browser:
    """One Chromium; each page of it has cookies of its own."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    async def __aenter__(self):
        profile = os.path.join(self.folder, "profile")
        # As root there is no sandbox; in a container little shared memory.
        self.process = subprocess.Popen(
            [self.program, "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--remote-debugging-port=0",
             "--no-first-run", "--user-data-dir=" + profile, "--window-size=%d,%d" % SIZE, "about:blank"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        port_file = os.path.join(profile, "DevToolsActivePort")
        port, path = await until(lambda: lines_of(port_file, 2), 30, "Chromium starts")
        self.session = aiohttp.ClientSession()
        self.socket = await self.session.ws_connect("ws://127.0.0.1:%s%s" % (port, path), max_msg_size=0)
        self.number, self.answers, self.pages = 0, {}, {}
        self.reading = asyncio.ensure_future(self._read())
        return self

    async def __aexit__(self, *_):
        self.reading.cancel()
        await self.socket.close()
        await self.session.close()
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    async def _read(self):
        async for message in self.socket:
            answer = json.loads(message.data)
            if "id" in answer:
                self.answers.pop(answer["id"]).set_result(answer)
            elif answer.get("sessionId") in self.pages:
                self.pages[answer["sessionId"]].heard(answer["method"], answer["params"])

    async def call(self, method, page=None, **parameters):
        self.number += 1
        self.answers[self.number] = answer = asyncio.get_running_loop().create_future()
        await self.socket.send_json({"id": self.number, "method": method, "params": parameters, **({"sessionId": page} if page else {})})
        answer = await asyncio.wait_for(answer, 60)
        if "error" in answer:
            raise RuntimeError("%s: %s" % (method, answer["error"]))
        return answer["result"]

    async def open(self, address):
        """A page in a window of its own, with no cookies of the others."""
        context = (await self.call("Target.createBrowserContext"))["browserContextId"]
        target = (await self.call("Target.createTarget", url="about:blank", browserContextId=context, width=SIZE[0], height=SIZE[1]))["targetId"]
        session = (await self.call("Target.attachToTarget", targetId=target, flatten=True))["sessionId"]
        page = Page(self, target, session)
        self.pages[session] = page
        for domain in ("Page", "Runtime", "Log"):
            await page.call(domain + ".enable")
        await page.call("Emulation.setDeviceMetricsOverride", width=SIZE[0], height=SIZE[1], deviceScaleFactor=1, mobile=False)
        await page.go(address)
        return page


class Page:
    def __init__(self, browser, target, session):
        self.browser, self.target, self.session, self.complaints = browser, target, session, []

    def heard(self, method, parameters):
        if method == "Runtime.exceptionThrown":
            self.complaints.append(parameters["exceptionDetails"].get("exception", {}).get("description") or parameters["exceptionDetails"]["text"])
        elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.complaints.append("%s %s" % (parameters["entry"]["text"], parameters["entry"].get("url", "")))

    async def call(self, method, **parameters):
        return await self.browser.call(method, self.session, **parameters)

    async def go(self, address):
        await self.call("Page.navigate", url=address)

    async def close(self):
        await self.browser.call("Target.closeTarget", targetId=self.target)

    async def value(self, expression):
        """Of a JavaScript expression (a promise's, once it has one)."""
        answer = await self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError("%s: %s" % (expression, answer["exceptionDetails"].get("exception", {}).get("description")))
        return answer["result"].get("value")

    async def wait(self, expression, seconds=120):
        """Until a JavaScript expression is true; returns its value."""
        async def look():
            try:
                return await self.value(expression)
            except RuntimeError:  # the page is not there yet
                return None
        return await until(look, seconds, expression)

    async def state(self, name):
        return await self.value("trame.state.get(%s)" % json.dumps(name))

    async def text(self, selector):
        return await self.value("document.querySelector(%s)?.innerText.trim()" % json.dumps(selector))

    async def middle(self, selector):
        """Of an element that is shown, in pixels of the window."""
        box = await self.wait("(() => { const e = document.querySelector(%s); if (!e) return null; e.scrollIntoView({block: 'nearest'}); "
                              "const b = e.getBoundingClientRect(); return b.width ? [b.x, b.y, b.width, b.height] : null; })()" % json.dumps(selector))
        return box[0] + box[2] / 2, box[1] + box[3] / 2

    async def mouse(self, kind, x, y, button="left"):
        await self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button=button, clickCount=1, buttons=0 if kind == "mouseReleased" else 1)

    async def click(self, selector):
        await self.drag([await self.middle(selector)])

    async def drag(self, points):
        """Presses at the first point, moves over the others, lets go at the last one."""
        await self.mouse("mousePressed", *points[0])
        for point in points[1:]:
            await self.mouse("mouseMoved", *point)
        await self.mouse("mouseReleased", *points[-1])

    async def type(self, selector, text):
        """In the place of what an input has."""
        await self.click(selector)
        await self.value("document.querySelector(%s).select()" % json.dumps(selector))
        await self.call("Input.insertText", text=text)

    async def press(self, key):
        for kind in ("keyDown", "keyUp"):
            await self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=KEYS[key])

    async def choose_file(self, selector, path):
        node = await self.call("Runtime.evaluate", expression="document.querySelector(%s)" % json.dumps(selector))
        await self.call("DOM.setFileInputFiles", objectId=node["result"]["objectId"], files=[path])

    async def screenshot(self, path=None):
        """PNG bytes; also written to a file where one is named."""
        png = base64.b64decode((await self.call("Page.captureScreenshot", format="png"))["data"])
        if path:
            with open(path, "wb") as file:
                file.write(png)
        return png


def lines_of(path, count):
    """Of a file, once it has them."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError:
        return None
    return lines if len(lines) == count else None


async def until(look, seconds, what):
    """Waits until look() (or what it awaits) is true; returns that."""
    end = time.monotonic() + seconds
    while True:
        found = look()
        found = await found if asyncio.iscoroutine(found) else found
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError("after %d s still not: %s" % (seconds, what))
        await asyncio.sleep(0.05)
