"""Finding methods, metrics, tasks and scenarios: every file of their folder is one, nothing is registered."""

import importlib
import pkgutil
from types import ModuleType
from typing import TypeVar

from peft_core.errors import UnknownName

T = TypeVar("T")


def discover(package: ModuleType, kind: type[T]) -> dict[str, type[T]]:
    """The subclasses of `kind` defined in the files of `package`, by file name.

    A file named with a leading underscore is shared code of its neighbours, not an entry. Files added while the
    process lives are found at the next call.
    """
    found: dict[str, type[T]] = {}
    importlib.invalidate_caches()
    for info in sorted(pkgutil.iter_modules(package.__path__), key=lambda module: module.name):
        if info.name.startswith("_"):
            continue
        module = importlib.import_module(f"{package.__name__}.{info.name}")
        entries = [
            value
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, kind) and value.__module__ == module.__name__
        ]
        if len(entries) != 1:
            raise TypeError(f"{module.__name__} must define exactly one {kind.__name__}, it defines {len(entries)}.")
        found[info.name] = entries[0]
    return found


def pick(entries: dict[str, T], name: str, what: str) -> T:
    """The entry called `name`, or UnknownName with the names that exist."""
    try:
        return entries[name]
    except KeyError:
        raise UnknownName(f"There is no {what} named {name!r}. Choose one of: {', '.join(sorted(entries))}.") from None
