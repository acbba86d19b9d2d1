"""Paths that a person may name: only under configured roots, judged after every link is resolved."""

from collections.abc import Callable, Sequence
from pathlib import Path

from app.errors import Invalid
from app.language import tr

Hidden = Callable[[Path], bool]
"""Whether a resolved path is as good as absent for whoever names it."""


def resolve_under(roots: Sequence[Path], name: str, *, hidden: Hidden, variable: str, field: str, what: str) -> Path:
    """The existing path that `name` means: relative to a root, or absolute.

    Raises Invalid where it does not exist, is hidden or, links followed, lies outside every root; the text names
    `variable`.
    """
    if "\0" in name:
        raise Invalid(tr("The path of a {what} cannot hold a NUL character.", what=tr(what)), field=field)
    allowed = [root.resolve() for root in roots]
    for candidate in [root / name for root in allowed]:
        found = _existing(candidate)
        if found is None or hidden(found):
            continue
        if any(found.is_relative_to(root) for root in allowed):
            return found
        raise Invalid(_outside(name, what, variable, allowed), field=field)
    wanted = _resolved(allowed[0] / name)
    if wanted is None or not any(wanted.is_relative_to(root) for root in allowed):
        raise Invalid(_outside(name, what, variable, allowed), field=field)
    raise Invalid(
        tr(
            "There is no {what} {name!r}. Put it under {allowed} or add its folder to {variable}.",
            what=tr(what),
            name=name[:200],
            allowed=allowed[0],
            variable=variable,
        ),
        field=field,
    )


def lies_under(roots: Sequence[Path], name: str, hidden: Hidden) -> bool:
    """Whether a root holds something called `name` that is not hidden, wherever its links lead."""
    found = [_existing(root.resolve() / name) for root in roots]
    return any(path is not None and not hidden(path) for path in found)


def _existing(path: Path) -> Path | None:
    """The path with links followed, None where nothing is there or the system cannot look (a name too long)."""
    try:
        found = _resolved(path)
        return found if found is not None and found.exists() else None
    except OSError:
        return None


def _resolved(path: Path) -> Path | None:
    """The path with links followed, None where the system cannot follow them (loops, names too long)."""
    try:
        return path.resolve()
    except (OSError, RuntimeError):
        return None


def _outside(name: str, what: str, variable: str, allowed: Sequence[Path]) -> str:
    return tr(
        "The {what} {name!r} lies outside the allowed folders. Put it under {allowed} or add its folder to {variable}.",
        what=tr(what),
        name=name[:200],
        allowed=allowed[0],
        variable=variable,
    )
