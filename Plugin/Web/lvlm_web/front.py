# SPDX-License-Identifier: Apache-2.0
"""The front: listens, lets visitors in, takes their pictures, passes the rest on to their processes."""
import asyncio
import logging
import os
import signal
import sys
from html import escape

import aiohttp
from aiohttp import web

from . import guard, relay
from .guard import Guard
from .options import parse
from .screen import NoScreen, Screen
from .visitors import Refused, Visitors

SENTENCE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>LVLM-Interpret</title>
<body style="font: 18px sans-serif; margin: 20vh auto; max-width: 36em; color: #234"><p>%s</p>%s</body></html>"""
AGAIN = '<p><a href="/">Open a new page</a></p>'
log = logging.getLogger("lvlm-web")


def sentence(status, text, more=""):
    return web.Response(status=status, text=SENTENCE % (escape(text), more), content_type="text/html")


class Front:
    def __init__(self, options, screen):
        self.options = options
        self.guard = Guard(options.token)
        self.visitors = Visitors(options, screen.display)
        self.app = web.Application(middlewares=[self._check])
        self.app.add_routes([
            web.get("/", self._enter), web.get("/favicon.ico", self._no_icon),
            web.get("/v/{name}/ws", self._websocket), web.get("/v/{name}/events", self._news),
            web.get("/v/{name}/example/{index:\\d+}", self._example), web.post("/v/{name}/picture", self._picture),
            web.post("/v/{name}/abort", self._abort), web.post("/v/{name}/paraview/", self._session), web.get("/v/{name}/{tail:.*}", self._file)])

    @web.middleware
    async def _check(self, request, handler):
        why = self.guard.refusal(request)
        if why:
            response = sentence(403, why)
        else:
            try:
                response = await handler(request)
            except web.HTTPException as error:
                response = error if 300 <= error.status < 400 else sentence(error.status, error.reason)
        if not response.prepared:
            response.headers.update(guard.HEADERS)
        return response

    async def _no_icon(self, _request):
        return web.Response(status=204)

    async def _enter(self, request):
        """A new visitor: gets a process, and a page that only this browser can open."""
        if not self.guard.may_enter(request):
            return sentence(403, "The address of this page has a token at its end: open the one that the server printed.")
        try:
            visitor = await self.visitors.enter()
        except Refused as why:
            return sentence(503, str(why), AGAIN)
        log.info("a visitor has come, %d inside", len(self.visitors.inside))
        response = web.Response(status=303, headers={"Location": "/v/%s/" % visitor.name})
        response.set_cookie("lvlm", visitor.cookie, path="/v/%s/" % visitor.name, httponly=True, samesite="Strict")
        if self.guard.token:
            response.set_cookie(guard.TOKEN_COOKIE, self.guard.token, httponly=True, samesite="Strict")
        return response

    def _visitor(self, request):
        return self.visitors.find(request.match_info["name"], request.cookies.get("lvlm"))

    async def _file(self, request):
        visitor = self._visitor(request)
        if visitor is None:
            return sentence(404, "This page has ended, or belongs to another browser.", AGAIN)
        path = relay.file_of(visitor.page, request.match_info["tail"])
        return web.FileResponse(path) if path else sentence(404, "There is nothing here.")

    async def _session(self, request):
        """The page's scripts ask where their websocket is, as they would ask ParaView's launcher."""
        if self._visitor(request) is None:
            return web.json_response({"error": "This page has ended."}, status=404)
        return web.json_response({"sessionURL": "ws://USE_HOST/v/%s/ws" % request.match_info["name"]})

    async def _example(self, request):
        index = int(request.match_info["index"])
        if self._visitor(request) is None or index >= len(self.options.examples):
            return sentence(404, "There is nothing here.")
        return web.FileResponse(self.options.examples[index][1])

    async def _websocket(self, request):
        visitor = self._visitor(request)
        if visitor is None:
            return sentence(404, "This page has ended, or belongs to another browser.")
        return await relay.websocket(request, visitor, self.session)

    async def _news(self, request):
        visitor = self._visitor(request)
        return await relay.news(request, visitor) if visitor else web.Response(status=204)  # 204: do not ask again

    async def _abort(self, request):
        visitor = self._visitor(request)
        if visitor is None:
            return web.json_response({"error": "This page has ended."}, status=404)
        visitor.abort()
        return web.json_response({})

    async def _picture(self, request):
        """Takes a picture's bytes; whether they are one, the visitor's process finds out. Names of files are never used."""
        visitor = self._visitor(request)
        if visitor is None:
            return web.json_response({"error": "This page has ended."}, status=404)
        number = next((n for n in range(self.options.uploads) if not os.path.exists(self._upload(visitor, n))), None)
        if number is None:
            return web.json_response(
                {"error": "This page holds %d uploaded pictures: open a new one for more." % self.options.uploads}, status=429)
        limit = self.options.upload_bytes
        path = self._upload(visitor, number)
        try:
            if (request.content_length or 0) <= limit and await self._store(request, path, limit):
                return web.json_response({"picture": number})
        except OSError as error:
            return web.json_response({"error": "The server cannot keep the picture: %s." % error.strerror}, status=507)
        return web.json_response({"error": "The picture has more than the %d MB that are taken." % (limit >> 20)}, status=413)

    @staticmethod
    def _upload(visitor, number):
        return os.path.join(visitor.folder, "upload-%d" % number)

    @staticmethod
    async def _store(request, path, limit):
        """Whether the whole body is in the file now; if not, there is none."""
        size, whole = 0, False
        try:
            with open(path, "xb") as file:
                async for part in request.content.iter_chunked(1 << 16):
                    size += len(part)
                    if size > limit:
                        return False
                    file.write(part)
            whole = True
        finally:
            if not whole:
                os.unlink(path)
        return whole

    async def serve(self):
        """Until a signal ends it. Raises OSError where the port is taken, Refused where ParaView does not run."""
        runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        ended = asyncio.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        watching = None
        # A process that computes answers late.
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None)) as self.session:
            try:
                site = web.TCPSite(runner, self.options.host, self.options.port)
                await site.start()
                await self.visitors.prepare()
                watching = asyncio.ensure_future(self.visitors.watch())
                self._tell_address(runner.addresses[0][1])
                await ended.wait()
            finally:
                if watching:
                    watching.cancel()
                await self.visitors.close()
                await runner.cleanup()

    def _tell_address(self, port):
        host = self.options.shown_host
        token = "?token=" + self.options.token if self.options.token else ""
        text = "LVLM-Interpret is at http://%s:%d/%s\nCtrl+C ends it.\n" % ("[%s]" % host if ":" in host else host, port, token)
        os.write(1, text.encode())  # pvpython 5.13's own standard output keeps, in a pipe or a file, what it is told to flush


def main(arguments):
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING, format="%(name)s: %(message)s")
    try:
        screen = Screen()
    except NoScreen as why:
        sys.exit("lvlm-web: %s" % why)
    try:
        asyncio.run(Front(options, screen).serve())
    except Refused as why:
        sys.exit("lvlm-web: " + str(why))
    except OSError as error:
        sys.exit("lvlm-web: cannot listen at %s, port %d: %s" % (options.host, options.port, os.strerror(error.errno or 0)))
    finally:
        screen.close()
