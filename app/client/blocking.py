"""The client without `await`."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial, wraps
from inspect import iscoroutinefunction
from typing import Any

from anyio.from_thread import BlockingPortal, start_blocking_portal

from app.client.atlas import AtlasClient


class BlockingClient:
    """Every method of an AtlasClient under its own name: it returns what the other one is awaited for."""

    def __init__(self, client: AtlasClient, portal: BlockingPortal) -> None:
        self._client, self._portal = client, portal

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if not iscoroutinefunction(method):
            raise AttributeError(f"AtlasClient has no method {name!r} that asks a server.")

        @wraps(method)
        def call(*words: Any, **named: Any) -> Any:
            return self._portal.call(partial(method, *words, **named))

        return call


@contextmanager
def connect(url: str, token: str | None = None) -> Iterator[BlockingClient]:
    """A client of the server at `url`, for a script; its connections are closed where the block ends."""
    # An event loop of its own thread: it works in a notebook too, whose loop is running already.
    with start_blocking_portal() as portal:
        client = AtlasClient.at(url, token)
        try:
            yield BlockingClient(client, portal)
        finally:
            portal.call(client.close)
