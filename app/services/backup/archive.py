"""The file of a backup: a zip whose manifest names every part with its size and hash.

`database/…` holds the tables, `objects/HASH` the files of runs, `datasets/NAME` the uploaded datasets.
"""

import hashlib
import os
import re
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from app.errors import Invalid
from app.services.team_settings import UPLOADS

MANIFEST = "manifest.json"
LARGEST_MANIFEST_BYTES = 100_000_000
PIECE_BYTES = 2**20
PART_NAME = re.compile(
    r"database/[a-z_]+\.(sqlite|copy)|objects/[0-9a-f]{64}"
    rf"|datasets/({UPLOADS}/[0-9]{{1,19}}/)?[A-Za-z0-9_][A-Za-z0-9_.-]*"
)
"""No part has another kind of name, so that none can lead out of the folder that it is written to."""

Database = Literal["sqlite", "postgresql"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Part(_Frozen):
    """One entry of the archive."""

    name: str
    bytes: int
    sha256: str


class LeftOut(_Frozen):
    """A file that the database refers to and the backup could not take."""

    name: str
    reason: str


class Table(_Frozen):
    """A table's rows; the columns are those of its part, in their order."""

    name: str
    columns: tuple[str, ...]
    rows: int


class Manifest(_Frozen):
    """What a backup says of itself."""

    format: Literal["peft-atlas-backup-1"] = "peft-atlas-backup-1"
    product_version: str
    created_at: datetime
    database: Database
    revision: str
    tables: tuple[Table, ...]
    parts: tuple[Part, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def rows(self) -> dict[str, int]:
        return {table.name: table.rows for table in self.tables}

    def parts_in(self, folder: str) -> list[Part]:
        return [part for part in self.parts if part.name.startswith(f"{folder}/")]


class ArchiveWriter:
    """Adds parts to an archive and remembers what they hash to."""

    def __init__(self, zipped: zipfile.ZipFile) -> None:
        self._zipped = zipped
        self.parts: list[Part] = []

    def add(self, name: str, pieces: Iterable[bytes | memoryview], *, compress: bool) -> None:
        """One part, piece by piece."""
        digest, size = hashlib.sha256(), 0
        entry = zipfile.ZipInfo(name)
        entry.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
        with self._zipped.open(entry, "w", force_zip64=True) as part:
            for piece in pieces:
                part.write(piece)
                digest.update(piece)
                size += len(piece)
        self.parts.append(Part(name=name, bytes=size, sha256=digest.hexdigest()))

    def close_with(self, manifest: Manifest) -> None:
        self._zipped.writestr(MANIFEST, manifest.model_dump_json(indent=1), zipfile.ZIP_DEFLATED)


@contextmanager
def new_archive(file: Path) -> Iterator[ArchiveWriter]:
    """An archive that is there when it is complete, and not at all before. Only its owner may read it."""
    with new_file(file) as opened, zipfile.ZipFile(opened, "w") as zipped:
        yield ArchiveWriter(zipped)


class Archive:
    """A backup that is there, opened for reading."""

    def __init__(self, zipped: zipfile.ZipFile) -> None:
        self._zipped = zipped
        self.manifest = self._read_manifest()

    def pieces(self, part: Part) -> Iterator[bytes]:
        """The content of a part. Raises Invalid where it is not what the manifest says."""
        digest, left = hashlib.sha256(), part.bytes
        try:
            with self._zipped.open(part.name) as opened:
                while piece := opened.read(PIECE_BYTES):
                    left -= len(piece)
                    if left < 0:
                        break
                    digest.update(piece)
                    yield piece
        except (zipfile.BadZipFile, OSError, EOFError) as error:
            raise Invalid(f"{part.name} of the backup cannot be read ({error}). Use another copy of it.") from error
        if left != 0 or digest.hexdigest() != part.sha256:
            raise Invalid(f"{part.name} of the backup is damaged: its hash is another. Use another copy of it.")

    def check(self) -> None:
        """Read all of it. Raises Invalid where a part is missing, damaged, or was never announced."""
        names = [part.name for part in self.manifest.parts]
        strange = [name for name in names if not PART_NAME.fullmatch(name)]
        if strange:
            raise Invalid(f"The backup holds a part called {strange[0][:100]!r}, which no backup has.")
        if sorted([*names, MANIFEST]) != sorted(self._zipped.namelist()):
            raise Invalid("The backup does not hold what its manifest lists. Use another copy of it.")
        for part in self.manifest.parts:
            for _ in self.pieces(part):
                pass

    def _read_manifest(self) -> Manifest:
        try:
            entry = self._zipped.getinfo(MANIFEST)
            if entry.file_size > LARGEST_MANIFEST_BYTES:
                raise Invalid("The manifest of this backup is larger than any backup's.")
            return Manifest.model_validate_json(self._zipped.read(entry))
        except (KeyError, ValidationError, zipfile.BadZipFile) as error:
            raise Invalid("This is no backup of PEFT Atlas, or of a newer version's form.") from error


@contextmanager
def opened_archive(file: Path) -> Iterator[Archive]:
    """Raises Invalid where the file is no backup."""
    try:
        zipped = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError) as error:
        raise Invalid(f"{file} cannot be read as a backup ({error}).") from error
    with zipped:
        yield Archive(zipped)


@contextmanager
def new_file(file: Path) -> Iterator[BinaryIO]:
    """A file that is in its place, and on the disk, when it is complete; readable by its owner alone until then."""
    descriptor, unfinished = tempfile.mkstemp(prefix=".unfinished-", dir=file.parent)
    try:
        with os.fdopen(descriptor, "w+b") as opened:
            yield opened
            opened.flush()
            os.fsync(descriptor)
        Path(unfinished).replace(file)
    finally:
        Path(unfinished).unlink(missing_ok=True)


def pieces_of(file: Path) -> Iterator[bytes]:
    """A file's content."""
    with file.open("rb") as opened:
        while piece := opened.read(PIECE_BYTES):
            yield piece


def sha256_of(file: Path) -> str:
    digest = hashlib.sha256()
    for piece in pieces_of(file):
        digest.update(piece)
    return digest.hexdigest()
