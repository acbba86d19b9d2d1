"""How a page reaches the API: in process, as the caller whose request it serves."""

from collections.abc import Mapping
from typing import Any

from app.client import AtlasClient
from app.language import COOKIE
from app.ui.policy import may_write

PREFIX = "peft_atlas_"
"""Other programs on this host may have set cookies of their own."""

_served: dict[str, Any] = {}


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
    """The cookies that say who the caller of the request at hand is."""
    from dash import ctx

    try:
        return own(ctx.cookies or {})
    except (AttributeError, LookupError):
        # Outside a callback there is no request, hence no caller whose cookies could be carried.
        return {}


def own(cookies: Mapping[str, str]) -> dict[str, str]:
    """Of a browser's cookies those that say who its caller is. The language is no part of that: it goes by itself."""
    return {name: value for name, value in cookies.items() if name.startswith(PREFIX) and name != COOKIE}
