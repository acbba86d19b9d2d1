"""Each request and websocket is answered in its reader's language."""

from starlette.datastructures import Headers, QueryParams
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Receive, Scope, Send

from app.language import COOKIE, negotiated, speaking


class Languages:
    """Pure ASGI middleware: what is called inside inherits the language, its tasks and threads included."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        chosen = cookie_parser(headers.get("cookie", "")).get(COOKIE)
        if scope["type"] == "websocket":
            # It serves a page that is written already, whatever was chosen for the next one.
            chosen = QueryParams(scope["query_string"]).get("language", chosen)
        with speaking(negotiated(chosen, headers.get("accept-language", ""))):
            await self._app(scope, receive, send)
