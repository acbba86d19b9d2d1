"""A machine that the server must never speak to: it notes each connection and what was sent."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}"


@dataclass
class Listener:
    """`heard`: the first bytes of every connection."""

    port: int
    heard: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def listening() -> Iterator[Listener]:
    """Until the block ends."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(50)
        listener = Listener(server.getsockname()[1])
        ended = threading.Event()
        thread = threading.Thread(target=_take, args=(server, listener, ended))
        thread.start()
        try:
            yield listener
        finally:
            ended.set()
            with suppress(OSError), socket.create_connection(("127.0.0.1", listener.port)):
                pass
            thread.join()


def _take(server: socket.socket, listener: Listener, ended: threading.Event) -> None:
    while True:
        connection, _ = server.accept()
        with connection:
            if ended.is_set():
                return
            connection.settimeout(2)
            with suppress(OSError):
                listener.heard.append(connection.recv(2**16))
                connection.sendall(ANSWER)
