"""How a page reaches the API: in process, as the caller whose request it serves."""

from typing import Any

from app.client import AtlasClient

_served: dict[str, Any] = {}


def serve_from(app: Any) -> None:
    """Pages talk to this application from now on."""
    _served["app"] = app


def client() -> AtlasClient:
    """A client for the request at hand, with its caller's cookies and nothing else."""
    return AtlasClient.in_process(_served["app"], cookies=_cookies())


def _cookies() -> dict[str, str]:
    from dash import ctx

    try:
        return dict(ctx.cookies or {})
    except (AttributeError, LookupError):
        # Outside a callback there is no request, hence no caller whose cookies could be carried.
        return {}
