"""Reading a dataset as the rows and items of a kind of task, and making batches. Imports no torch."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from peft_core.dataset_files import content_sha256, read_split_records
from peft_core.dataset_records import Cell
from peft_core.errors import InvalidDataset
from peft_core.spec import Budget, Columns, Splits, TaskSpec
from peft_core.splits import SplitRows, default_splits, split_rows, without_duplicates

if TYPE_CHECKING:
    from peft_core.task import Score, Task

FEW_VALIDATION_ITEMS = 100
FEW_TEST_ITEMS = 200
Z_95 = 1.959964
"""The standard normal distribution lies within plus and minus this with probability .95."""
BATCHES_PER_BUCKET = 16
"""How many batches are sorted by length together: padding falls, which items share a batch stays random."""
ORDER_SEED = 0
"""Of the order in which longer and shorter batches come, the same for every run."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a dataset. `index` counts records from 0 in the file's order: the item's identity.

    `words` and `tags` are the parallel lists of token classification, which has no `text` of its own.
    """

    index: int
    text: str
    label: str = ""
    pair: str = ""
    choices: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    group: str = ""
    split: str = ""
    """The split that the dataset itself puts the record in, "" where it has none."""


@dataclass(frozen=True)
class DatasetSummary:
    """What a dataset offers a study, after duplicates were removed."""

    labels: tuple[str, ...]
    splits: Splits
    items: int
    duplicates_removed: int
    sha256: str


@dataclass(frozen=True)
class Item:
    """One tokenised row. `target` is what the kind of task made of its label; `segments` tells two texts apart."""

    index: int
    tokens: tuple[int, ...]
    target: Any
    segments: tuple[int, ...] = ()
    padded: int = field(default=0, compare=False)
    """How long a batch with this item is at least, so that batches have few lengths; never beyond the budget's."""


def inspect_dataset(path: Path, *, kind: "type[Task]", columns: Columns, splits: Splits | None) -> DatasetSummary:
    """Read a dataset as a study would and say what it offers; `splits` None takes 60 / 20 / 20 %, or the dataset's own.

    Raises InvalidDataset naming the line, the column or the count that is wrong.
    """
    rows = read_rows(path, kind=kind, columns=columns)
    unique = without_duplicates(rows)
    chosen = splits or default_splits(unique)
    kind.check_splits(split_rows(unique, chosen, kind))
    return DatasetSummary(
        labels=kind.labels(unique, columns),
        splits=chosen,
        items=len(unique),
        duplicates_removed=len(rows) - len(unique),
        sha256=content_sha256(path),
    )


def read_rows(path: Path, *, kind: "type[Task]", columns: Columns) -> list[Row]:
    """Every record of a dataset as a row of this kind of task.

    Raises InvalidDataset naming the line and column for: no file, not text, a missing column, a ragged line, an empty
    label, and what the kind itself refuses (a single class, a label that is no number).
    """
    kind.check_columns(columns)
    rows = []
    for index, (split, (place, record)) in enumerate(read_split_records(path, columns.names())):
        try:
            row = kind.read_row(index, record, columns)
        except ValueError as error:
            raise InvalidDataset(f"{path.name!r}, {place}: {error}") from None
        rows.append(replace(row, split=split) if split else row)
    if not rows:
        raise InvalidDataset(f"{path.name!r} has no data. Add rows.")
    kind.labels(rows, columns)
    return rows


def plain_row(index: int, record: Mapping[str, Cell], columns: Columns) -> Row:
    """A record whose cells are all text. Raises ValueError naming an empty column."""
    return Row(
        index,
        text=text_cell(record, columns.text),
        label=text_cell(record, columns.label) if columns.label else "",
        pair=text_cell(record, columns.pair) if columns.pair else "",
        choices=tuple(text_cell(record, choice) for choice in columns.choices),
        group=text_cell(record, columns.group) if columns.group else "",
    )


def text_cell(record: Mapping[str, Cell], column: str) -> str:
    """A cell as text without white space around it. Raises ValueError where it is empty, a list, or holds a NUL."""
    return plain_text(record[column], column)


def plain_text(value: Cell, column: str) -> str:
    """A value of `column` as text: 1.0 is 1, true is true. Raises ValueError as `text_cell` does."""
    if isinstance(value, list):
        raise ValueError(f"column {column!r} holds a list where one value is needed. Choose another column.")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = "" if value is None else str(value).strip()
    if not text:
        raise ValueError(f"column {column!r} is empty. Fill it or remove the line.")
    if "\0" in text:
        raise ValueError(f"column {column!r} holds a NUL character. Save the file as plain text.")
    return text


def read_splits(task: TaskSpec, kind: "type[Task]") -> SplitRows:
    """The splits of a study's task; raises InvalidDataset if the file changed since the study was made."""
    if content_sha256(task.dataset) != task.dataset_sha256:
        raise InvalidDataset(f"{task.dataset.name!r} has changed since the study was made. Make a new study of it.")
    rows = read_rows(task.dataset, kind=kind, columns=task.columns)
    split = split_rows(without_duplicates(rows), task.splits, kind)
    kind.check_splits(split)
    return split


@dataclass(frozen=True)
class SmallSplit:
    """A split of fewer items than wanted. points: to how many points a share on it is known at worst. times_as_wide:
    how much wider the interval of a score that is no share is than with the items wanted."""

    name: str
    items: int
    wanted: int
    points: float | None = None
    times_as_wide: float | None = None


def small_splits(splits: Splits, kind: "Score") -> list[SmallSplit]:
    """Splits that are too small to tell much; none from 100 validation and 200 test items on.

    The figure for a share is the half-width of Wilson's 95 % interval where it is widest, at a share of one half:
    z / (2 sqrt(n + z^2)) with z = 1.96 (Wilson 1927). It covers the draw of items, not seeds.
    """
    enough = {"validation": FEW_VALIDATION_ITEMS, "test": FEW_TEST_ITEMS}
    small = [(name, getattr(splits, name), wanted) for name, wanted in enough.items()]
    return [_small(name, items, wanted, kind) for name, items, wanted in small if items < wanted]


def _small(name: str, items: int, wanted: int, kind: "Score") -> SmallSplit:
    if kind.quantity == "fraction":
        return SmallSplit(name, items, wanted, points=100 * Z_95 / (2 * math.sqrt(items + Z_95**2)))
    return SmallSplit(name, items, wanted, times_as_wide=math.sqrt(wanted / items))


def training_batches(items: Sequence[Item], budget: Budget, seed: int) -> Iterator[list[Item]]:
    """The batches of a run: `budget.total_steps` of them. Methods of one seed see the same batches in the same order.

    Items are shuffled every epoch by `seed`, runs of BATCHES_PER_BUCKET batches sorted by length to save padding, and
    the batches shuffled, in every run alike: runs of other seeds, which may share passes with this one, then come to
    long and to short batches at the same steps. Of what five seeds share on short tweets, a seventh is padding then,
    and not four tenths.
    """
    random, order = np.random.default_rng(seed), np.random.default_rng(ORDER_SEED)
    steps = budget.total_steps(len(items))
    made = 0
    while made < steps:
        for batch in _epoch(items, budget.batch_size, random, order)[: steps - made]:
            made += 1
            yield batch


def _epoch(
    items: Sequence[Item], batch_size: int, random: np.random.Generator, order: np.random.Generator
) -> list[list[Item]]:
    shuffled = [items[i] for i in random.permutation(len(items))]
    width = batch_size * BATCHES_PER_BUCKET
    batches: list[list[Item]] = []
    for start in range(0, len(shuffled), width):
        bucket = sorted(shuffled[start : start + width], key=lambda item: len(item.tokens))
        batches += [bucket[i : i + batch_size] for i in range(0, len(bucket), batch_size)]
    return [batches[i] for i in order.permutation(len(batches))]


def evaluation_batches(items: Sequence[Item], batch_size: int) -> Iterator[list[Item]]:
    """All items once, longest first so that memory peaks at the start."""
    ordered = sorted(items, key=lambda item: -len(item.tokens))
    for start in range(0, len(ordered), batch_size):
        yield ordered[start : start + batch_size]


def real_tokens(batch: Sequence[Item]) -> int:
    """Tokens of the items themselves: neither padding nor virtual tokens."""
    return sum(len(item.tokens) for item in batch)
