"""A record of a dataset: its columns, and what a cell of one may hold."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from peft_core.errors import InvalidDataset

Cell = str | int | float | bool | list["Cell"] | None
"""What one field of a record may hold; CSV knows text alone, lists hold no lists."""

Record = tuple[str, dict[str, Cell]]
"""Where a record stands ("line 3") and its cells by column."""

MAX_COLUMNS = 1_000
MAX_ROWS = 1_000_000
"""All of them are held in memory while they are split: 0.4 KB each beside their text."""
MAX_CHARACTERS = 256 * 2**20
"""Of all cells that are read: a compressed file of some kilobytes may unfold to any size."""
MAX_FIELD_CHARACTERS = 131_072
"""Of one cell, as Python's csv module has it; a longer text is no item of any budget."""


def refuse_missing(columns: Sequence[str], known: Sequence[str], where: str) -> None:
    """Raises InvalidDataset naming the first of `columns` that a dataset does not have, or has twice. `where` begins
    the sentence ("'data.csv'")."""
    if len(known) > MAX_COLUMNS:
        raise InvalidDataset(f"{where} has {len(known)} columns; at most {MAX_COLUMNS} are read.")
    counts = Counter(known)
    for column in columns:
        if not counts[column]:
            listed = ", ".join(repr(column[:40]) for column in known[:20])
            raise InvalidDataset(f"{where} has no column {column!r}. Its columns are {listed}.")
        if counts[column] > 1:
            raise InvalidDataset(f"{where} has {counts[column]} columns named {column!r}. Give each its own name.")


def characters(cells: Mapping[str, Cell]) -> int:
    """How much text a record holds; an entry of a list counts one more, whatever it is."""
    return sum(_length(value) for value in cells.values())


def _length(value: Cell) -> int:
    if isinstance(value, list):
        return len(value) + sum(map(_length, value))
    return len(value) if isinstance(value, str) else 0


@dataclass
class CellKinds:
    """What each column of a file has held so far: 1 in one line and "1" in the next would be one class by accident."""

    name: str
    seen: dict[str, tuple[str, str]] = field(default_factory=dict)

    def check(self, place: str, cells: Mapping[str, Cell]) -> None:
        """Raises InvalidDataset for a cell that no task can read, or of another kind than those above it."""
        for column, value in cells.items():
            try:
                kind = _readable(value)
            except ValueError as error:
                raise InvalidDataset(f"{self.name!r}, {place}: column {column!r} {error}") from None
            if kind == "nothing":
                continue
            before, first = self.seen.setdefault(column, (kind, place))
            if kind != before:
                raise InvalidDataset(
                    f"{self.name!r}, {place}: column {column!r} holds {kind} here and {before} in {first}. Write all of"
                    " them the same way."
                )


def _readable(value: object) -> str:
    """What kind of value a cell holds. Raises ValueError with the rest of a sentence where no task can read it."""
    if isinstance(value, list):
        inside = {kind_of(entry) for entry in value} - {"nothing"}
        if inside - {"text", "a number", "true or false"} or len(inside) > 1:
            raise ValueError("holds a list of more than plain values of one kind. Give a list of texts or of numbers.")
        for entry in value:
            _refuse_unreadable_text(entry)
    elif isinstance(value, dict):
        raise ValueError("holds an object. Give text, a number, or a list of them.")
    elif isinstance(value, float) and math.isinf(value):
        raise ValueError("holds a number that is infinite or too large. Write it as 12.5 or -3e4.")
    _refuse_unreadable_text(value)
    return kind_of(value)


def _refuse_unreadable_text(value: object) -> None:
    if not isinstance(value, str):
        return
    if len(value) > MAX_FIELD_CHARACTERS:
        raise ValueError(f"holds a field larger than {MAX_FIELD_CHARACTERS} characters. Shorten it.")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("holds half a character (a lone surrogate). Write it again as UTF-8.")


def kind_of(value: object) -> str:
    """What a value is, in the words of a sentence."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "text"
    return "a list" if isinstance(value, list) else "an object"
