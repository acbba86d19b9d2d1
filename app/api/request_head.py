"""How long the head of a request may be: the server's parser by itself would gather any amount of it."""

from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LONGEST_HEAD_BYTES = 65_536
REFUSAL = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: text/plain; charset=utf-8\r\ncontent-length: 24\r\nconnection: close\r\n\r\n"
    b"The request is too long."
)


class LimitedHead(HttpToolsProtocol):
    """Closes a connection whose request line and headers are longer, before anything of it is answered."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._in_head, self._head_bytes = True, 0

    def data_received(self, data: bytes) -> None:
        """What arrives is counted as head until one is complete."""
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > LONGEST_HEAD_BYTES:
                self.transport.write(REFUSAL)
                self.transport.close()

    def on_message_begin(self) -> None:
        """Another request begins."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0

    def on_headers_complete(self) -> None:
        """The rest is a body, which the guard counts."""
        self._in_head = False
        super().on_headers_complete()
