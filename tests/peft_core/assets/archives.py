"""Small archives, built as published ones are."""

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path


def wheel_of(folder: Path, files: Mapping[str, bytes], name: str = "tiny_source") -> Path:
    """A wheel that pip takes, with `files` in it."""
    path = folder / f"{name}-1.0-py3-none-any.whl"
    about = f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in files.items():
            archive.writestr(member, content)
        archive.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        archive.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{about}/RECORD", "")
    return path


def tar_of(files: Mapping[str, bytes | None]) -> bytes:
    """A compressed tar archive; None makes a folder."""
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.type = tarfile.REGTYPE if content is not None else tarfile.DIRTYPE
            member.size = len(content or b"")
            archive.addfile(member, io.BytesIO(content or b""))
    return written.getvalue()


def source_archive(folder: Path, files: Mapping[str, bytes]) -> Path:
    """A source archive with `files` in it."""
    path = folder / "source-1.0.tar.gz"
    path.write_bytes(tar_of({f"source-1.0/{name}": content for name, content in files.items()}))
    return path
