"""All files of a run as one archive, made while it is sent: neither memory nor disk holds it whole."""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile, ZipInfo

from sqlalchemy import Engine

from app.errors import NotFound
from app.language import tr
from app.services.callers import Caller
from app.services.runs import run_files
from app.services.store import stored_file

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

CHUNK_BYTES = 1 << 20
Named = tuple[str, Path]


def files_to_send(engine: Engine, caller: Caller, store: Path, run_id: int) -> list[Named]:
    """Every file of a run by the path it had there. Raises NotFound where there is none, or the store lacks one."""
    files = run_files(engine, caller, run_id)
    if not files:
        raise NotFound(tr("Run {run} left no files. Reporting runs do, when they end well.", run=run_id))
    return [(file.path, stored_file(store, file)) for file in files]


def zipped(files: Sequence[Named]) -> Iterator[bytes]:
    """The bytes of an archive. Nothing is compressed: trained tensors hardly shrink, and it would take minutes."""
    pipe = _Pipe()
    with ZipFile(pipe, "w") as archive:
        for name, path in files:
            with path.open("rb") as source, archive.open(ZipInfo(name), "w", force_zip64=True) as target:
                while chunk := source.read(CHUNK_BYTES):
                    target.write(chunk)
                    yield pipe.taken()
    yield pipe.taken()


class _Pipe(io.RawIOBase):
    """What was written since it was last taken."""

    def __init__(self) -> None:
        self._written: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: "ReadableBuffer", /) -> int:
        self._written.append(bytes(data))
        return len(self._written[-1])

    def taken(self) -> bytes:
        taken, self._written = b"".join(self._written), []
        return taken
