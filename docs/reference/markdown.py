"""Text of the code as Markdown: nothing of it is taken for mark-up."""

import re
from collections.abc import Iterable, Sequence

SPECIAL = re.compile(r"([\\`*_\[\]|<>])")


def plain(text: str) -> str:
    """A text that shows as it is written, on one line."""
    return _escaped(" ".join(text.split()))


def sentences(text: str) -> str:
    """A docstring: its `code` stays code, the rest shows as it is written."""
    parts = re.split(r"(`[^`]+`)", " ".join(text.replace("``", "`").split()))
    return "".join(part if part.startswith("`") else _escaped(part) for part in parts)


def _escaped(text: str) -> str:
    return SPECIAL.sub(r"\\\1", text).replace("\\<", "&lt;").replace("\\>", "&gt;")


def code(text: object) -> str:
    """A value of the code; "" for None."""
    return "" if text is None else f"`{text}`"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose cells are Markdown already."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cell.replace(chr(10), ' ') for cell in line)} |" for line in lines) + "\n"


def number(value: float) -> str:
    """A number as these pages print it: 147,456, 0.0015 or 3e-05."""
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"
