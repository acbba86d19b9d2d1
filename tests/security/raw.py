"""Requests as no well-behaved client sends them: written to a socket byte by byte."""

import select
import socket
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

PIECE = b"x" * 2**20


@dataclass(frozen=True)
class Answer:
    """The first answer to what was sent; status 0 where the connection was closed without one."""

    status: int
    text: str
    seconds: float = 0.0
    sent_bytes: int = 0


def exchange(address: str, content: bytes, pieces: Iterable[bytes] = (), seconds: float = 20) -> Answer:
    """Send `content`, then `pieces` for as long as nothing is answered."""
    host, _, port = address.rpartition(":")
    began, sent = time.monotonic(), 0
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        try:
            connection.sendall(content)
            for piece in pieces:
                if select.select([connection], [], [], 0)[0]:
                    break
                connection.sendall(piece)
                sent += len(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        received = _received(connection)
    status = int(received.split(b" ", 2)[1]) if received.startswith(b"HTTP/1") else 0
    return Answer(status, received.decode("utf-8", "replace"), time.monotonic() - began, sent)


def _received(connection: socket.socket) -> bytes:
    """What comes until a whole answer is there, or no more of it."""
    received = b""
    try:
        while not _is_whole(received) and (more := connection.recv(2**16)):
            received += more
    except (TimeoutError, ConnectionResetError):
        pass
    return received


def _is_whole(received: bytes) -> bool:
    head, found, body = received.partition(b"\r\n\r\n")
    if not found:
        return False
    if head.split(b" ", 2)[1:2] == [b"101"]:
        return True
    lengths = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return bool(lengths) and len(body) >= int(lengths[0])


def head(method: str, target: str, headers: Sequence[tuple[str, str]]) -> bytes:
    """The head of a request, every header as it is given, twice where it is given twice."""
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """A body of undeclared length."""
    for piece in pieces:
        yield f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    yield b"0\r\n\r\n"
