"""How a page reaches the API: in process, as the caller whose request it serves."""

from collections.abc import Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Any

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from app.client import AtlasClient
from app.language import COOKIE
from app.ui.policy import may_write

PREFIX = "peft_atlas_"
"""Other programs on this host may have set cookies of their own."""

_served: dict[str, Any] = {}
_cookies: ContextVar[Mapping[str, str]] = ContextVar("cookies", default=MappingProxyType({}))


def serve_from(app: Any) -> None:
    """Pages talk to this application from now on."""
    _served["app"] = app


def client() -> AtlasClient:
    """A client for the request at hand, with its caller's cookies alone; it may write in a `writing` callback."""
    return client_with(cookies(), may_write=may_write())


def client_with(cookies: dict[str, str], *, may_write: bool = False) -> AtlasClient:
    """A client that acts for the caller of these cookies."""
    return AtlasClient.in_process(_served["app"], cookies=cookies, may_write=may_write)


def cookies() -> dict[str, str]:
    """The cookies that say who the caller of the request or websocket at hand is; none outside of any."""
    return own(_cookies.get())


def own(cookies: Mapping[str, str]) -> dict[str, str]:
    """Of a browser's cookies those that say who its caller is. The language is no part of that: it goes by itself."""
    return {name: value for name, value in cookies.items() if name.startswith(PREFIX) and name != COOKIE}


class Visitors:
    """Pure ASGI middleware: what is called inside knows the cookies it came with. Dash's own context has none where a
    callback comes by websocket."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        token = _cookies.set(cookie_parser(Headers(scope=scope).get("cookie", "")))
        try:
            await self._app(scope, receive, send)
        finally:
            _cookies.reset(token)
