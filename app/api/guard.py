"""What every request and websocket passes before anything else: Host, Origin, content type, answer headers.

A web page that a person happens to visit must not be able to reach the job launcher on their loopback address.
"""

import json
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.headers import ContentPolicy, add_security_headers
from app.api.problems import problem_body
from app.errors import AtlasError, Forbidden, TooLarge, UnsupportedContent
from app.schemas import LARGEST_ARCHIVE_BYTES, LARGEST_DATASET_BYTES

LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
API = "/api/"
LARGEST_BODY_BYTES = 1_000_000
LARGER_BODIES = {"/api/v1/studies": LARGEST_ARCHIVE_BYTES, "/api/v1/imports/study": LARGEST_ARCHIVE_BYTES}
"""What reads an exported study, which may carry its results."""
PAGE_CALLBACKS = "/_dash-update-component"
LARGEST_PAGE_BODY_BYTES = 20_000_000
"""A page's callback may carry the state of a figure."""
LARGEST_FORM_BYTES = 100_000
"""The door's forms, and whatever is sent where nothing reads it."""
LARGEST_UPLOAD_BYTES = 20_000_000
LARGEST_DATASET_BODY_BYTES = LARGEST_DATASET_BYTES + 10_000
"""The file, and the lines of the form around it."""
UPLOADS = {"/api/v1/imports/hf-peft": LARGEST_UPLOAD_BYTES, "/api/v1/datasets": LARGEST_DATASET_BODY_BYTES}
"""Where files are sent as a form, and how much. A page of another site could send one too, and is told by its
Origin."""


class Guard:
    """Pure ASGI middleware; refuses with problem+json, or closes a websocket before it is accepted."""

    def __init__(self, app: ASGIApp, policy: ContentPolicy, hosts: frozenset[str] = frozenset()) -> None:
        self._app, self._hosts, self._policy = app, LOOPBACK_NAMES | hosts, policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if scope["type"] == "http":
            send = self._with_headers(scope, send)
        try:
            check(scope, self._hosts)
        except AtlasError as error:
            await _refuse(scope, error, send)
            return
        if scope["type"] == "http" and scope["method"] not in SAFE_METHODS:
            receive = _cut_off(receive, largest_body(scope["path"]))
        await self._app(scope, receive, send)

    def _with_headers(self, scope: Scope, send: Send) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                host = Headers(scope=scope).get("host", "")
                add_security_headers(MutableHeaders(scope=message), self._policy, host if host_name(host) else "")
            await send(message)

        return sending


def check(scope: Scope, hosts: frozenset[str] = LOOPBACK_NAMES) -> None:
    """Raise the refusal that a request or handshake deserves, if any. hosts: the names this server answers to."""
    headers = Headers(scope=scope)
    if any(len(headers.getlist(name)) > 1 for name in ("host", "origin")):
        raise Forbidden("This request names its host or its origin twice.")
    host = headers.get("host", "")
    if host_name(host) not in hosts:
        raise Forbidden(
            "This server answers on localhost, 127.0.0.1 and [::1], and on the names in PEFT_ATLAS_HOSTS. Open it "
            "under one of these."
        )
    writes = scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS
    origin = headers.get("origin")
    if origin is not None and not same_origin(origin, host):
        raise Forbidden("This request came from a page of another site, which may neither read nor write here.")
    if scope["type"] == "http" and writes:
        _check_body(scope["path"], headers)


def _check_body(path: str, headers: Headers) -> None:
    length = headers.get("content-length", "0")
    has_body = length != "0" or "transfer-encoding" in headers
    kind = headers.get("content-type", "").split(";")[0].strip().lower()
    if path in UPLOADS:
        if has_body and kind != "multipart/form-data":
            raise UnsupportedContent("This route reads files. Send them as a form, 'multipart/form-data'.")
    elif path.startswith(API) and has_body and kind != "application/json":
        raise UnsupportedContent("This route reads JSON. Send it with the header 'Content-Type: application/json'.")
    if not path.startswith(API) and "transfer-encoding" in headers:
        raise TooLarge("Say how long the body is, in the header 'Content-Length', as browsers do.")
    most = largest_body(path)
    if not length.isascii() or not length.isdigit() or len(length) > 18 or int(length) > most:
        raise TooLarge(f"The body may hold at most {most} bytes.")


def largest_body(path: str) -> int:
    """How many bytes a write to this path may carry, declared or not."""
    if path in UPLOADS:
        return UPLOADS[path]
    if path in LARGER_BODIES:
        return LARGER_BODIES[path]
    if path.startswith(API):
        return LARGEST_BODY_BYTES
    return LARGEST_PAGE_BODY_BYTES if path == PAGE_CALLBACKS else LARGEST_FORM_BYTES


def _cut_off(receive: Receive, most: int) -> Receive:
    """A body of undeclared length, up to so many bytes; past them the request is refused."""
    received = 0

    async def receiving() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > most:
            raise HTTPException(413)
        return message

    return receiving


def host_name(host: str) -> str:
    """The name in a Host header, without port and brackets; '' where it cannot be read."""
    try:
        parts = urlsplit(f"//{host}")
        if parts.username is not None or parts.path or parts.query or parts.fragment:
            return ""
        _ = parts.port
        return parts.hostname or ""
    except ValueError:
        return ""


def same_origin(origin: str, host: str) -> bool:
    """Whether a page of `origin` was served by this host: the same name and port, over http or https."""
    try:
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and parts.netloc.lower() == host.lower()
    except ValueError:
        return False


async def _refuse(scope: Scope, error: AtlasError, send: Send) -> None:
    if scope["type"] == "websocket":
        # Closing before accepting answers the handshake with 403.
        await send({"type": "websocket.close", "code": 1008, "reason": error.title})
        return
    body = json.dumps(problem_body(error.status, error.title, error.detail)).encode()
    headers = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
