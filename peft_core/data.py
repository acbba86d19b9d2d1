"""Reading a dataset, splitting it fairly, and making batches. Imports no torch until a batch is padded."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from peft_core.dataset_files import Cell, content_sha256, read_records
from peft_core.errors import InvalidDataset
from peft_core.spec import Budget, Columns, Splits, TaskSpec

if TYPE_CHECKING:
    from peft_core.task import Task

SMALLEST_CLASS = 3
"""One item for each of the three splits."""
BATCHES_PER_BUCKET = 8
"""How many batches are sorted by length together: padding falls, the order stays random between buckets."""


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class SplitRows:
    """The rows of each split, in a fixed order."""

    train: list[Row]
    validation: list[Row]
    test: list[Row]


def inspect_dataset(path: Path, *, kind: "type[Task]", columns: Columns, splits: Splits | None) -> DatasetSummary:
    """Read a dataset as a study would and say what it offers; `splits` None takes 60 / 20 / 20 %.

    Raises InvalidDataset naming the line, the column or the count that is wrong.
    """
    rows = read_rows(path, kind=kind, columns=columns)
    unique = without_duplicates(rows)
    chosen = splits or _default_splits(len(unique))
    split_rows(unique, chosen, kind)
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
    rows = []
    for index, (place, record) in enumerate(read_records(path, columns.names())):
        try:
            rows.append(kind.read_row(index, record, columns))
        except ValueError as error:
            raise InvalidDataset(f"{path.name!r}, {place}: {error}") from None
    if not rows:
        raise InvalidDataset(f"{path.name!r} has a header and no data. Add rows.")
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
    """A cell as text without white space around it. Raises ValueError where it is empty or holds a NUL."""
    value = record[column]
    text = "" if value is None else str(value).strip()
    if not text:
        raise ValueError(f"column {column!r} is empty. Fill it or remove the line.")
    if "\0" in text:
        raise ValueError(f"column {column!r} holds a NUL character. Save the file as plain text.")
    return text


def without_duplicates(rows: Sequence[Row]) -> list[Row]:
    """The first of every group of texts that differ only in case and white space.

    A text that stands in train and test would let a method that memorises look like one that generalises.
    """
    seen: set[str] = set()
    unique = []
    for row in rows:
        key = _identity(row)
        if key not in seen:
            seen.add(key)
            unique.append(row)
    return unique


def _identity(row: Row) -> str:
    """What makes two rows the same item: everything that is read, without case and white space, never the label."""
    parts = (row.text, row.pair, *row.choices, *row.words)
    return "\0".join(" ".join(part.casefold().split()) for part in parts)


def _default_splits(items: int) -> Splits:
    held_out = max(1, items // 5)
    return Splits(train=max(1, items - 2 * held_out), validation=held_out, test=held_out)


def split_rows(rows: Sequence[Row], splits: Splits, kind: "type[Task]") -> SplitRows:
    """Stratified splits: every class has its share of each split, drawn with `splits.seed`.

    Rows of one group stay together. Raises InvalidDataset where there are too few rows, or a class too small to be in
    every split.
    """
    wanted = splits.train + splits.validation + splits.test
    if len(rows) < wanted:
        raise InvalidDataset(
            f"The splits need {wanted} items ({splits.train} train, {splits.validation} validation, {splits.test} test)"
            f" and the dataset has {len(rows)} without duplicates. Ask for fewer or add data."
        )
    random = np.random.default_rng(splits.seed)
    if any(row.group for row in rows):
        return _split_groups(rows, splits, random)
    by_stratum: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_stratum[kind.stratum(row)].append(row)
    _refuse_tiny_classes({stratum: len(members) for stratum, members in by_stratum.items()})
    pools = {
        stratum: [members[i] for i in random.permutation(len(members))]
        for stratum, members in sorted(by_stratum.items())
    }
    taken = {
        name: _draw(pools, size, random)
        for name, size in (("test", splits.test), ("validation", splits.validation), ("train", splits.train))
    }
    return SplitRows(**taken)


def _refuse_tiny_classes(counts: dict[str, int]) -> None:
    rarest, size = min(counts.items(), key=lambda entry: (entry[1], entry[0]))
    if size < SMALLEST_CLASS and len(counts) > 1:
        raise InvalidDataset(
            f"Class {rarest[:40]!r} has {size} item(s); every class needs {SMALLEST_CLASS}, one for each split."
        )


def _split_groups(rows: Sequence[Row], splits: Splits, random: np.random.Generator) -> SplitRows:
    """Whole groups go to test, then validation, then training, each until it is full; what is over is left out.

    Groups come in random order, and one that no longer fits a split is tried in the next.
    """
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.group].append(row)
    names = sorted(groups)
    shuffled = [groups[names[i]] for i in random.permutation(len(names))]
    wanted = {"test": splits.test, "validation": splits.validation, "train": splits.train}
    taken: dict[str, list[Row]] = {name: [] for name in wanted}
    for members in shuffled:
        place = next((name for name, size in wanted.items() if len(taken[name]) + len(members) <= size), None)
        if place is not None:
            taken[place] += members
    for name, size in wanted.items():
        if len(taken[name]) < size:
            raise InvalidDataset(
                f"Whole groups fill {len(taken[name])} of the {size} {name} items. Ask for other split sizes, or split"
                " without the group column."
            )
    return SplitRows(**{name: [drawn[i] for i in random.permutation(len(drawn))] for name, drawn in taken.items()})


def _draw(pools: dict[str, list[Row]], size: int, random: np.random.Generator) -> list[Row]:
    """Take `size` rows out of the pools in proportion to what each still holds (largest remainders first)."""
    remaining = sum(len(pool) for pool in pools.values())
    exact = {label: size * len(pool) / remaining for label, pool in pools.items()}
    share = {label: int(value) for label, value in exact.items()}
    by_remainder = sorted(pools, key=lambda label: (share[label] - exact[label], label))
    for label in by_remainder[: size - sum(share.values())]:
        share[label] += 1
    drawn = [pools[label].pop() for label in sorted(pools) for _ in range(share[label])]
    return [drawn[i] for i in random.permutation(len(drawn))]


def read_splits(task: TaskSpec, kind: "type[Task]") -> SplitRows:
    """The splits of a study's task; raises InvalidDataset if the file changed since the study was made."""
    if content_sha256(task.dataset) != task.dataset_sha256:
        raise InvalidDataset(f"{task.dataset.name!r} has changed since the study was made. Make a new study of it.")
    rows = read_rows(task.dataset, kind=kind, columns=task.columns)
    return split_rows(without_duplicates(rows), task.splits, kind)


def training_batches(items: Sequence[Item], budget: Budget, seed: int) -> Iterator[list[Item]]:
    """The batches of a run: `budget.total_steps` of them, in an order that only `seed` decides.

    Items are shuffled every epoch; runs of BATCHES_PER_BUCKET batches are sorted by length to save padding, and the
    batches shuffled again. Methods of one seed see the same batches in the same order.
    """
    random = np.random.default_rng(seed)
    steps = budget.total_steps(len(items))
    made = 0
    while made < steps:
        for batch in _epoch(items, budget.batch_size, random)[: steps - made]:
            made += 1
            yield batch


def _epoch(items: Sequence[Item], batch_size: int, random: np.random.Generator) -> list[list[Item]]:
    shuffled = [items[i] for i in random.permutation(len(items))]
    width = batch_size * BATCHES_PER_BUCKET
    batches: list[list[Item]] = []
    for start in range(0, len(shuffled), width):
        bucket = sorted(shuffled[start : start + width], key=lambda item: len(item.tokens))
        batches += [bucket[i : i + batch_size] for i in range(0, len(bucket), batch_size)]
    return [batches[i] for i in random.permutation(len(batches))]


def evaluation_batches(items: Sequence[Item], batch_size: int) -> Iterator[list[Item]]:
    """All items once, longest first so that memory peaks at the start."""
    ordered = sorted(items, key=lambda item: -len(item.tokens))
    for start in range(0, len(ordered), batch_size):
        yield ordered[start : start + batch_size]


def real_tokens(batch: Sequence[Item]) -> int:
    """Tokens of the items themselves: neither padding nor virtual tokens."""
    return sum(len(item.tokens) for item in batch)
