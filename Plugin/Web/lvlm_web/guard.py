# SPDX-License-Identifier: Apache-2.0
"""Who may speak to the front: addresses, tokens, and where a browser's request comes from."""
import hmac
import ipaddress
import secrets
from urllib.parse import urlsplit

TOKEN_COOKIE = "lvlm-token"
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
# The page is compiled in the browser (Vue), hence 'unsafe-eval'. Nothing comes from, or goes to, anywhere else.
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
                               "img-src 'self' data: blob:; connect-src 'self'; frame-ancestors 'none'; base-uri 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-cache",
}


def is_loopback(host):
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def new_secret():
    """In small letters: the page's scripts make large ones small where it stands in an address."""
    return secrets.token_hex(20)


def same(given, expected):
    """In a time that does not tell how much of it is right."""
    return hmac.compare_digest((given or "").encode("utf-8", "replace"), expected.encode())


class Guard:
    """token: what the address must have; empty on the loopback address, where the name of the host must be a local one instead
    (a page from elsewhere may give its own name this address)."""

    def __init__(self, token):
        self.token = token

    def refusal(self, request):
        """Why the request is not answered, or None."""
        host = request.headers.get("Host", "")
        if not self.token and (urlsplit("//" + host).hostname or "") not in LOCAL_NAMES:
            return "This page answers to localhost alone."
        is_socket = request.headers.get("Upgrade", "").lower() == "websocket"
        if request.method != "GET" or is_socket:
            origin = urlsplit(request.headers.get("Origin", ""))
            if origin.scheme not in ("http", "https") or origin.netloc.lower() != host.lower():
                return "This comes from another page."
        return None

    def may_enter(self, request):
        """Whether a new visitor is let in."""
        if not self.token:
            return request.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin")
        return same(request.query.get("token"), self.token) or same(request.cookies.get(TOKEN_COOKIE), self.token)
