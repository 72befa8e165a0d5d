# SPDX-License-Identifier: Apache-2.0
"""What the front passes on between a browser and a visitor's process: the page's files, its websocket, and news of the work."""
import asyncio
import json
import pathlib
import time

import aiohttp
from aiohttp import web

from .channel import KEY

LARGEST_MESSAGE = 64 << 20  # bytes, of the process; what a browser sends is smaller
LARGEST_REQUEST = 4 << 20
HEARTBEAT = 20  # seconds


def file_of(page, tail):
    """A file of the page, or None: of the folders that trame named, nothing above them."""
    head, _, rest = tail.partition("/")
    root, name = (page["serve"][head], rest) if head in page["serve"] else (page["www"], tail or "index.html")
    root = pathlib.Path(root).resolve()
    try:
        path = (root / name).resolve()
        return path if path.is_relative_to(root) and path.is_file() else None
    except (OSError, ValueError):
        return None


async def news(request, visitor):
    """How far the work is, as events: the process itself says nothing while it computes."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
    await response.prepare(request)
    queue = asyncio.Queue()
    visitor.listeners.add(queue)
    try:
        while True:
            try:
                told = await asyncio.wait_for(queue.get(), HEARTBEAT)
                await response.write(b"data: " + json.dumps(told).encode() + b"\n\n")
            except asyncio.TimeoutError:
                await response.write(b":\n\n")
                continue
            if "ended" in told:
                break
    except (ConnectionError, asyncio.CancelledError):
        pass
    finally:
        visitor.listeners.discard(queue)
    return response


async def websocket(request, visitor, session):
    """The page's connection to its process. When either end closes, so does the other."""
    browser = web.WebSocketResponse(heartbeat=HEARTBEAT, max_msg_size=LARGEST_REQUEST)
    await browser.prepare(request)
    visitor.sockets += 1
    try:
        async with session.ws_connect("http://127.0.0.1:%d/ws" % visitor.page["ready"], headers={KEY: visitor.key},
                                      max_msg_size=LARGEST_MESSAGE) as process:
            ways = [asyncio.ensure_future(_pass_on(browser, process, visitor)), asyncio.ensure_future(_pass_on(process, browser))]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            for way in ways:
                way.cancel()
    except aiohttp.ClientError:
        pass  # the process has ended: the page is told by its news
    finally:
        visitor.sockets -= 1
        visitor.left = time.monotonic()
    await browser.close()
    return browser


async def _pass_on(source, target, visitor=None):
    try:
        async for message in source:
            if visitor is not None:
                visitor.heard = time.monotonic()
            if message.type == aiohttp.WSMsgType.TEXT:
                await target.send_str(message.data)
            elif message.type == aiohttp.WSMsgType.BINARY:
                await target.send_bytes(message.data)
    except ConnectionError:
        pass
