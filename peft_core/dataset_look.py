"""The first look at a dataset file: its columns, its first rows, and what each column holds."""

import statistics
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from peft_core.dataset_files import column_names, read_records
from peft_core.dataset_records import Cell, kind_of
from peft_core.errors import InvalidDataset

HEAD_ROWS = 8
MOST_VALUES = 50
"""A column of more different values is no choice of classes, and they are counted no further than MOST_COUNTED."""
MOST_COUNTED = 10_000
LONGEST_SHOWN = 300
FEWEST_ROWS = 3
"""One for each split."""

ARCHIVES = {b"PK\x03\x04": "zip archive", b"\x1f\x8b": "gzip file", b"BZh": "bzip2 file", b"\xfd7zXZ": "xz file"}


@dataclass
class ColumnLook:
    """What one column holds, gathered row by row."""

    name: str
    kind: str = "nothing"
    filled: int = 0
    lengths: list[int] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)
    many: bool = False
    """More different values than are counted, or longer ones than a class has."""

    def read(self, value: Cell) -> None:
        """Count one cell in."""
        if value is None or value in ("", []):
            return
        self.kind = kind_of(value)
        self.filled += 1
        if isinstance(value, str):
            self.lengths.append(len(value))
        if self.many or isinstance(value, list):
            return
        self.seen[shown(value)] += 1
        self.many = len(self.seen) > MOST_COUNTED or (isinstance(value, str) and len(value) > LONGEST_SHOWN)

    @property
    def counts(self) -> dict[str, int]:
        """The commonest first; nothing of a column with many different values."""
        return {} if self.many or len(self.seen) > MOST_VALUES else dict(self.seen.most_common())

    @property
    def distinct(self) -> int | None:
        """How many different values, None where there are too many to count."""
        return None if self.many or self.kind == "a list" else len(self.seen)

    @property
    def length(self) -> tuple[int, int, int] | None:
        """Characters of the shortest text, the median and the longest; None where there is no text."""
        if not self.lengths:
            return None
        return min(self.lengths), round(statistics.median(self.lengths)), max(self.lengths)


@dataclass(frozen=True)
class DatasetLook:
    """`head` has the first rows, long texts cut."""

    rows: int
    columns: list[ColumnLook]
    head: list[dict[str, Cell]]


def look(path: Path, *, most_rows: int) -> DatasetLook:
    """Read a dataset file whole. Raises InvalidDataset naming the line and the column that no task could read."""
    _refuse_archive(path)
    columns = [ColumnLook(name) for name in column_names(path)]
    head: list[dict[str, Cell]] = []
    rows = 0
    for place, cells in read_records(path, [column.name for column in columns]):
        rows += 1
        if rows > most_rows:
            raise InvalidDataset(f"{path.name!r} has more than {most_rows:,} rows. Give a smaller file.")
        for column in columns:
            value = cells[column.name]
            if isinstance(value, str) and "\0" in value:
                raise InvalidDataset(
                    f"{path.name!r}, {place}: column {column.name[:40]!r} holds a NUL character. Save the file as"
                    " plain text."
                )
            column.read(value)
        if rows <= HEAD_ROWS:
            head.append({name: _cut(value) for name, value in cells.items()})
    if rows < FEWEST_ROWS:
        raise InvalidDataset(
            f"{path.name!r} has {rows} row{'' if rows == 1 else 's'} of data; training, validation and test need one"
            " each at least. Add rows."
        )
    return DatasetLook(rows, columns, head)


def _refuse_archive(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(8)
    for magic, what in ARCHIVES.items():
        if start.startswith(magic):
            raise InvalidDataset(f"{path.name!r} is a {what}. Unpack it and give the file inside.")


def shown(value: Cell) -> str:
    """A cell as a person reads it, a long one cut."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def _cut(value: Cell) -> Cell:
    if isinstance(value, list):
        return [_cut(entry) for entry in value[:HEAD_ROWS]]
    return shown(value) if isinstance(value, str) else value
