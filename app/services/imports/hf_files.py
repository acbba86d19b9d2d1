"""The result files of a folder, or of an upload: found, named, and read one by one with a limit."""

import os
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from app.errors import Invalid
from app.language import tr
from app.schemas import LARGEST_RESULT_BYTES
from app.services.imports.hf_result import RefusedResult, too_large

RESULTS = "results"


@dataclass(frozen=True)
class ResultFile:
    """name: as the report names it. folder: the suite's, None where the file stands alone. read: its bytes, or
    RefusedResult."""

    name: str
    folder: str | None
    read: Callable[[], bytes]


def files_of_folder(folder: Path) -> list[ResultFile]:
    """The result files of the comparison's own folder, of one suite's, or of its results, sorted by name.

    Raises Invalid where `folder` is none or has no such files. Nothing outside of it is read, whatever it links to.
    """
    root = folder.expanduser().resolve()
    if not root.is_dir():
        raise Invalid(tr("There is no folder {folder}.", folder=folder), field="folder")
    try:
        found = sorted(path for results in _results_of(root) for path in results.iterdir() if _is_meant(path))
    except OSError as error:
        raise Invalid(
            tr("{folder} cannot be read: {strerror}.", folder=folder, strerror=error.strerror), field="folder"
        ) from None
    if not any(path.suffix == ".json" for path in found):
        raise Invalid(
            tr(
                "There are no result files in {folder}. Name the folder that holds MetaMathQA and image-gen,"
                " one of them, or its results.",
                folder=folder,
            ),
            field="folder",
        )
    return [_file(root, path) for path in found]


def _is_meant(path: Path) -> bool:
    """All that lies among results is accounted for; of another folder only what is named as a result would be."""
    return path.suffix == ".json" or (path.parent.name == RESULTS and not path.name.startswith("."))


def _results_of(root: Path) -> list[Path]:
    below = [path / RESULTS for path in sorted(root.iterdir()) if (path / RESULTS).is_dir()]
    own = [root / RESULTS] if (root / RESULTS).is_dir() else []
    return [*own, *below] or [root]


def _file(root: Path, path: Path) -> ResultFile:
    name = os.fsencode(path.relative_to(root)).decode(errors="replace")
    return ResultFile(name, _suite(path.parts), partial(_read, root, path))


def _read(root: Path, path: Path) -> bytes:
    """Raises RefusedResult for what is no plain file of a fitting size inside `root`."""
    if path.suffix != ".json":
        raise RefusedResult(tr("is no .json file"))
    try:
        if not path.resolve(strict=True).is_relative_to(root):
            raise RefusedResult(tr("is a link to something outside of the folder"))
        # Looked at first, for opening a pipe waits until somebody writes to it.
        _check_file(path.stat())
        with path.open("rb") as file:
            return file.read(LARGEST_RESULT_BYTES + 1)
    except (OSError, RuntimeError) as error:
        raise RefusedResult(tr("cannot be read: {value}", value=getattr(error, "strerror", None) or error)) from None


def _check_file(found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise RefusedResult(tr("is a folder"))
    if not stat.S_ISREG(found.st_mode):
        raise RefusedResult(tr("is no plain file"))
    if found.st_size > LARGEST_RESULT_BYTES:
        raise RefusedResult(too_large())


def uploaded_files(parts: Sequence[tuple[str, Callable[[int], bytes]]]) -> list[ResultFile]:
    """Files that came with a request: (relative path, reader of so many bytes at most) of each. The path is a name
    alone; nothing is looked up under it."""
    found = [_uploaded(name, read) for name, read in parts]
    return sorted(found, key=lambda file: file.name)


def _uploaded(path: str, read: Callable[[int], bytes]) -> ResultFile:
    parts = [part for part in PurePosixPath(path.replace("\\", "/")).parts if part not in ("/", "..", ".")]
    name = "/".join(parts) or "(a file without a name)"
    return ResultFile(name, _suite(parts), partial(_received, name, read))


def _received(name: str, read: Callable[[int], bytes]) -> bytes:
    if not name.endswith(".json"):
        raise RefusedResult(tr("is no .json file"))
    return read(LARGEST_RESULT_BYTES + 1)


def _suite(parts: Sequence[str]) -> str | None:
    """The folder above the results, of .../MetaMathQA/results/x.json MetaMathQA."""
    above = [part for part in parts[:-1] if part != "/"]
    if above[-1:] == [RESULTS]:
        above = above[:-1]
    return above[-1] if above else None
