"""A relay between a browser and a server on this machine that counts what passes: of websockets too, whose traffic a
shared worker has and no page tells of."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit


class Relay:
    """Where it listens, and what has come from the server since it started over."""

    def __init__(self, url: str) -> None:
        self.url, self.received, self.connections = "", 0, 0
        self._port = urlsplit(url).port

    def start_over(self) -> None:
        self.received = self.connections = 0

    async def listen(self) -> asyncio.Server:
        server = await asyncio.start_server(self._relay, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        return server

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._port)
        await asyncio.gather(self._pass_on(reader, to_server), self._pass_on(from_server, writer, count=True))

    async def _pass_on(
        self, source: asyncio.StreamReader, target: asyncio.StreamWriter, *, count: bool = False
    ) -> None:
        with suppress(ConnectionError):
            while piece := await source.read(65_536):
                self.received += len(piece) if count else 0
                target.write(piece)
                await target.drain()
        with suppress(ConnectionError, OSError):
            target.close()


@contextmanager
def relayed(url: str) -> Iterator[Relay]:
    """A relay to the server at `url`, until the block ends."""
    relay, loop, ready = Relay(url), asyncio.new_event_loop(), threading.Event()

    async def run() -> None:
        async with await relay.listen():
            ready.set()
            await stopped.wait()

    stopped = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    ready.wait()
    try:
        yield relay
    finally:
        loop.call_soon_threadsafe(stopped.set)
        thread.join()
        loop.close()
