"""The store: files by the hash of their content, shared by the web process and every worker."""

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from app.errors import NotFound
from app.language import tr
from app.schemas import ArtifactView
from peft_core.spec import Artifact


def object_path(store: Path, sha256: str) -> Path:
    """Where a file with this content lies."""
    return store / "objects" / sha256[:2] / sha256


def stored_file(store: Path, artifact: ArtifactView) -> Path:
    """Where a registered file lies. Raises NotFound where the store does not have it."""
    path = object_path(store, artifact.sha256)
    if not path.is_file():
        raise NotFound(
            tr("File {artifact} is registered but not in the store. Was the store moved?", artifact=artifact.id)
        )
    return path


def keep(store: Path, folder: Path, artifacts: Sequence[Artifact]) -> None:
    """Link a run's files into the store: on the disk before they are registered, whole or not at all."""
    for artifact in artifacts:
        target = object_path(store, artifact.sha256)
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        source = folder / artifact.path
        with source.open("rb") as file:
            os.fsync(file.fileno())
        # A link, so that the run's folder still has the file until the database knows of it.
        with contextlib.suppress(FileExistsError):
            os.link(source, target)


def link(store: Path, artifacts: Sequence[Artifact], folder: Path) -> None:
    """Put a run's files back into a folder as they lay there. Raises NotFound where the store lacks one."""
    for artifact in artifacts:
        path = object_path(store, artifact.sha256)
        if not path.is_file():
            raise NotFound(
                tr("The file {path} is registered but not in the store. Was the store moved?", path=artifact.path)
            )
        target = folder / artifact.path
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(path, target)


def objects(store: Path) -> Iterator[Path]:
    """Every file that the store keeps; its name is its hash."""
    yield from (store / "objects").glob("*/*")


def empty_scratch(folder: Path) -> None:
    """An empty folder for a run to write into."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def drop_scratch(folder: Path) -> None:
    """Remove a run's folder, with what all its attempts have left there."""
    shutil.rmtree(folder, ignore_errors=True)
