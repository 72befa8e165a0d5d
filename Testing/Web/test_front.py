# SPDX-License-Identifier: Apache-2.0
"""The front of the page: who may speak to it, what it takes, and what it says where it cannot serve. Without a browser."""
import asyncio
import os
import pathlib
import socket
import subprocess
import unittest

import web_testing as wt  # first: it skips the test where the packages of the page are missing
from browser import until
from remote_server import Server as ParaViewServer

import aiohttp
from vtkmodules.vtkCommonCore import vtkVersion

FORMATS = wt.SOURCE / "Testing" / "Data" / "image" / "formats"
MEGABYTE = 1 << 20
NEEDS_A_SCREEN = (vtkVersion.GetVTKMajorVersion(), vtkVersion.GetVTKMinorVersion()) < (9, 4)  # from then on VTK looks for another way


class Client:
    """A visitor without a browser."""

    def __init__(self, session, server, page):
        self.session, self.server, self.page = session, server, page
        self.headers = {"Origin": server.root.rstrip("/")}

    @classmethod
    async def enter(cls, session, server):
        async with session.get(server.address, allow_redirects=False) as answer:
            if answer.status != 303:
                raise AssertionError("%d %s" % (answer.status, await answer.text()))
            return cls(session, server, server.root.rstrip("/") + answer.headers["Location"])

    async def post(self, what, data=None, **headers):
        async with self.session.post(self.page + what, data=data, headers={**self.headers, **headers}) as answer:
            return answer.status, await answer.json(content_type=None) if answer.content_type == "application/json" else await answer.text()

    async def status(self, what="", **headers):
        async with self.session.get(self.page + what, headers=headers) as answer:
            return answer.status

    async def socket_status(self, **headers):
        """200 where the websocket opens."""
        try:
            async with self.session.ws_connect(self.page + "ws", headers=headers):
                return 200
        except aiohttp.WSServerHandshakeError as error:
            return error.status


def run(test, server):
    async def inside():
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            return await test(session, server)
    return asyncio.run(inside())


class Served(unittest.TestCase):
    def test_uploads(self):
        with wt.Server("--visitors", 1, "--uploads", 3, "--upload-megabytes", 1, "--leave-after", 1) as server:
            run(self.uploads, server)
            run(self.guarded, server)

    async def uploads(self, session, server):
        """Limited in bytes and number, private, deleted when the visitor has left."""
        visitor = await Client.enter(session, server)
        picture = (FORMATS / "big.tif").read_bytes()
        self.assertEqual(await visitor.post("picture", picture), (200, {"picture": 0}))
        folder, = [path for path in pathlib.Path(server.folder).iterdir() if (path / "upload-0").exists()]
        self.assertEqual((folder / "upload-0").read_bytes(), picture)
        self.assertEqual(folder.stat().st_mode & 0o777, 0o700)
        too_large = "The picture has more than the 1 MB that are taken."
        self.assertEqual(await visitor.post("picture", b"x" * (MEGABYTE + 1)), (413, {"error": too_large}))

        async def pieces():  # tells no length beforehand
            for _ in range(20):
                yield b"x" * (MEGABYTE // 10)
        self.assertEqual(await visitor.post("picture", pieces()), (413, {"error": too_large}))
        self.assertEqual(sorted(path.name for path in folder.glob("upload*")), ["upload-0"])
        answers = await asyncio.gather(*(visitor.post("picture", picture) for _ in range(200)))
        self.assertEqual(sorted(status for status, _ in answers), [200] * 2 + [429] * 198)
        full = "This page holds 3 uploaded pictures: open a new one for more."
        self.assertEqual({answer.get("error") for _, answer in answers}, {None, full})
        self.assertEqual(len(list(folder.glob("upload*"))), 3)
        self.assertEqual(await visitor.status(), 200)  # it goes on
        await until(lambda: not folder.exists(), 10, "the visitor, who never opened the page, has left")
        self.assertEqual(await visitor.status(), 404)

    async def guarded(self, session, server):
        """Other names of this address, other pages, other browsers."""
        visitor = await Client.enter(session, server)
        host = server.root.split("/")[2]
        self.assertEqual(await visitor.status(Host="evil.example"), 403)
        self.assertEqual(await visitor.status(Host=host.replace("127.0.0.1", "localhost")), 200)
        async with session.get(server.root, headers={"Sec-Fetch-Site": "cross-site"}) as answer:
            self.assertEqual(answer.status, 403)
        own, other = "http://" + host, "http://evil.example"
        for headers, wanted in (({"Origin": own}, 200), ({"Origin": other}, 403), ({}, 403), ({"Origin": "null"}, 403),
                                ({"Origin": other, "Host": "evil.example"}, 403)):
            self.assertEqual(await visitor.socket_status(**headers), wanted, headers)
        for headers in ({"Origin": other}, {"Origin": ""}):
            for what in ("picture", "abort", "paraview/"):
                self.assertEqual((await visitor.post(what, b"x", **headers))[0], 403)
        for path in ("..%2f..%2f..%2f..%2fetc/passwd", "%2fetc/passwd", "assets/..%2f..%2f__init__.py", "lvlm/..%2f..%2fprocess.py", "nothing",
                     "example/999", "example/-1"):
            self.assertEqual(await visitor.status(path), 404, path)
        self.assertEqual(await visitor.status("lvlm/page.js"), 200)
        async with aiohttp.ClientSession() as stranger:  # knows the address, has no cookie
            other_browser = Client(stranger, server, visitor.page)
            self.assertEqual(await other_browser.status(), 404)
            self.assertEqual(await other_browser.socket_status(Origin=own), 404)
            self.assertEqual((await other_browser.post("picture", b"x"))[0], 404)
        await self.behind(session, server)

    async def behind(self, session, server):
        """The port of a visitor's process answers nobody but the front."""
        ports = set(listening(server.processes()))
        self.assertTrue(ports)
        for port in ports:
            for path in ("", "ws", "index.html"):
                async with session.get("http://127.0.0.1:%d/%s" % (port, path)) as answer:
                    self.assertEqual(answer.status, 403)

    def test_token(self):
        """Beyond the loopback address nobody comes in without the token."""
        with wt.Server("--host", "0.0.0.0", "--leave-after", 1, DISPLAY=None) as server:  # on a screen of its own
            self.assertRegex(server.address, r"\?token=[0-9a-f]{40}$")
            server.address = server.address.replace("//" + server.address.split("/")[2].split(":")[0], "//127.0.0.1")
            server.root = server.address.split("?")[0]
            run(self.tokens, server)

    async def tokens(self, session, server):
        for query in ("", "?token=", "?token=" + "0" * 40, "?token=%ff", "?token=" + "x" * 5000):
            async with session.get(server.root + query, allow_redirects=False) as answer:
                self.assertEqual(answer.status, 403, query)
                self.assertIn("token at its end", await answer.text())
        visitor = await Client.enter(session, server)
        self.assertEqual(await visitor.status(), 200)
        self.assertEqual(await visitor.socket_status(Origin="http://evil.example"), 403)
        again = await Client.enter(session, type("Known", (), {"address": server.root, "root": server.root}))  # by its cookie
        self.assertNotEqual(again.page, visitor.page)
        async with aiohttp.ClientSession() as stranger:
            self.assertEqual(await Client(stranger, server, visitor.page).socket_status(Origin=server.root.rstrip("/")), 404)


class Killed(unittest.TestCase):
    def test_front_is_killed(self):
        """Nothing stays: no process, no screen, no picture."""
        with wt.temporary_folder() as folder:
            process = wt.start("--port", "0", "--folder", folder, DISPLAY=None)
            process.stdout.readline()
            children = [int(pid) for pid in wt.children(process.pid)]
            self.assertGreaterEqual(len(children), 2)  # ParaView, Xvfb
            self.assertEqual(len(os.listdir(folder)), 1)
            process.kill()
            process.communicate()
            asyncio.run(until(lambda: not any(os.path.exists("/proc/%d" % pid) for pid in children) and not os.listdir(folder), 15,
                              "all have ended"))


def listening(pids):
    """The TCP ports at which processes listen."""
    inodes = set()
    for pid in pids:
        for link in pathlib.Path("/proc/%d/fd" % pid).iterdir():
            try:
                target = os.readlink(link)
            except OSError:
                continue
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    lines = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return [int(line[1].split(":")[1], 16) for line in lines if line[3] == "0A" and line[9] in inodes]


class CannotServe(unittest.TestCase):
    """One sentence each, and the end."""

    def test_arguments(self):
        self.assertIn("No such file", wt.sentence("--model", "/nowhere"))
        self.assertIn("no such folder", wt.sentence("--folder", "/nowhere"))
        self.assertIn("70000 is not between", wt.sentence("--port", "70000"))
        self.assertIn("'there' is not HOST:PORT", wt.sentence("--server", "there"))
        self.assertIn("pvpython", wt.sentence(PVPYTHON="/nowhere/pvpython"))
        self.assertIn("there is no trame", wt.sentence(LVLM_WEB_PACKAGES="/nowhere", HOME="/nowhere", PYTHONPATH=""))

    def test_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self.assertIn("Address already in use", wt.sentence("--port", taken.getsockname()[1]))

    def test_model(self):
        """That is none, though the folder is there: ParaView finds out."""
        folder = wt.SOURCE / "Testing" / "Data" / "image"
        self.assertIn("config.json: No such file", wt.sentence("--model", folder))
        with wt.temporary_folder() as folder:
            pathlib.Path(folder, "config.json").write_text("{")
            self.assertIn("malformed JSON", wt.sentence("--model", folder))
        with wt.temporary_folder() as folder:
            os.mkdir(os.path.join(folder, "config.json"))  # as little to be read as a file of someone else's, by root, too
            self.assertIn("config.json: Is a directory", wt.sentence("--model", folder))

    def test_no_server(self):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.assertIn("the ParaView server 127.0.0.1:%d does not answer" % port, wt.sentence("--server", "127.0.0.1:%d" % port))

    def test_model_that_the_server_cannot_read(self):
        with wt.temporary_folder() as folder:
            server = ParaViewServer(folder, 1)
            self.addCleanup(server.kill)
            self.assertIn("/nowhere: there is no such model folder", wt.sentence("--server", "127.0.0.1:%d" % server.port, "--model", "/nowhere"))

    @unittest.skipUnless(NEEDS_A_SCREEN, "this VTK draws without a screen")
    def test_screen(self):
        self.assertIn("there is no screen :987", wt.sentence(DISPLAY=":987"))

    def test_no_program_for_a_screen(self):
        with wt.temporary_folder() as folder:  # of the programs that the launcher needs, and no Xvfb
            for name in ("sh", "dirname", "readlink"):
                os.symlink(wt.shutil.which(name), os.path.join(folder, name))
            self.assertIn("no Xvfb", wt.sentence(DISPLAY=None, PATH=folder, PVPYTHON=wt.shutil.which("pvpython")))

    @unittest.skipUnless(NEEDS_A_SCREEN, "this VTK draws without a screen")
    @unittest.skipUnless(wt.shutil.which("Xvfb"), "there is no Xvfb")
    def test_no_opengl(self):
        reading, writing = os.pipe()
        server = subprocess.Popen(["Xvfb", "-displayfd", str(writing), "-extension", "GLX", "-nolisten", "tcp"], pass_fds=[writing],
                                  stderr=subprocess.DEVNULL)
        os.close(writing)
        with os.fdopen(reading) as answer:
            display = ":" + answer.readline().strip()
        try:
            self.assertIn("the screen %s has no OpenGL" % display, wt.sentence(DISPLAY=display))
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    wt.main(browser=False)
