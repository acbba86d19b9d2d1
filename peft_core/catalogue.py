"""Finding methods, metrics, tasks and scenarios: every file of their folder is one, nothing is registered."""

import importlib
import sys
import time
from functools import cache, lru_cache
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from peft_core.errors import UnknownName

T = TypeVar("T")
SETTLED_SECONDS = 2.0
"""A folder that was changed later than this ago may change again without a later time standing at it."""


def discover(package: ModuleType, kind: type[T]) -> dict[str, type[T]]:
    """The subclasses of `kind` defined in the files of `package`, by file name.

    A file named with a leading underscore is shared code of its neighbours, not an entry. Files added while the
    process lives are found at the next call.
    """
    folder = Path(package.__path__[0])
    changed = folder.stat()
    settled = time.time() - changed.st_mtime > SETTLED_SECONDS
    entries = _unchanged(folder, changed.st_mtime_ns) if settled else _entries(folder)
    return _load(package, kind, entries)  # type: ignore[arg-type]  # a class is hashable


@lru_cache
def _unchanged(folder: Path, _changed_ns: int) -> tuple[str, ...]:
    """Of a folder as it is since then: many requests ask, and to list it takes ten times as long as to see that."""
    return _entries(folder)


def _entries(folder: Path) -> tuple[str, ...]:
    names = sorted(path.stem for path in folder.iterdir() if path.suffix == ".py")
    return tuple(name for name in names if not name.startswith("_"))


@cache
def _load(package: ModuleType, kind: type[T], names: tuple[str, ...]) -> dict[str, type[T]]:
    importlib.invalidate_caches()
    return {name: _imported(f"{package.__name__}.{name}", kind) for name in names}


def _imported(name: str, kind: type[T]) -> type[T]:
    module = importlib.import_module(name)
    try:
        return _entry(module, kind)
    except TypeError:
        # It may have been read while it was being written.
        del sys.modules[name]
        raise


def _entry(module: ModuleType, kind: type[T]) -> type[T]:
    entries = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, kind) and value.__module__ == module.__name__
    ]
    if len(entries) != 1:
        raise TypeError(f"{module.__name__} must define exactly one {kind.__name__}, it defines {len(entries)}.")
    return entries[0]


def pick(entries: dict[str, T], name: str, what: str) -> T:
    """The entry called `name`, or UnknownName with the names that exist."""
    try:
        return entries[name]
    except KeyError:
        raise UnknownName(f"There is no {what} named {name!r}. Choose one of: {', '.join(sorted(entries))}.") from None
