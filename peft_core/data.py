"""Reading a dataset, splitting it fairly, and making batches. Imports no torch until a batch is padded."""

import csv
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from peft_core.errors import InvalidDataset
from peft_core.spec import Budget, Splits, TaskSpec

MAX_FILE_BYTES = 512 * 2**20
MAX_COLUMNS = 1_000
MAX_LABELS = 1_000
SMALLEST_CLASS = 3
"""One item for each of the three splits."""
BATCHES_PER_BUCKET = 8
"""How many batches are sorted by length together: padding falls, the order stays random between buckets."""


@dataclass(frozen=True)
class Row:
    """One line of a dataset. `index` counts data rows from 0 in the file's order: the item's identity."""

    index: int
    text: str
    label: str


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
    """One tokenised row; `label` indexes the task's labels."""

    index: int
    tokens: tuple[int, ...]
    label: int


@dataclass(frozen=True)
class SplitRows:
    """The rows of each split, in a fixed order."""

    train: list[Row]
    validation: list[Row]
    test: list[Row]


def inspect_dataset(path: Path, *, text: str, label: str, splits: Splits | None) -> DatasetSummary:
    """Read a dataset as a study would and say what it offers; `splits` None takes 60 / 20 / 20 %.

    Raises InvalidDataset naming the line, the column or the count that is wrong.
    """
    rows = read_rows(path, text=text, label=label)
    unique = without_duplicates(rows)
    chosen = splits or _default_splits(len(unique))
    split_rows(unique, chosen)
    return DatasetSummary(
        labels=tuple(sorted({row.label for row in unique})),
        splits=chosen,
        items=len(unique),
        duplicates_removed=len(rows) - len(unique),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def read_rows(path: Path, *, text: str, label: str) -> list[Row]:
    """The rows of a UTF-8 CSV (or, by its name, TSV) file with a header line.

    Raises InvalidDataset naming the line and column for: no file, not text, a missing column, a ragged line, an empty
    label, fewer than two classes, more classes than MAX_LABELS.
    """
    if not path.is_file():
        raise InvalidDataset(f"There is no dataset file {path.name!r}. Give the path of a CSV file.")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise InvalidDataset(f"{path.name!r} is larger than {MAX_FILE_BYTES // 2**20} MiB. Give a smaller file.")
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(_parse(csv.reader(file, delimiter=delimiter), path.name, text, label))
    except UnicodeDecodeError as error:
        raise InvalidDataset(f"{path.name!r} is not UTF-8 text (byte {error.start}). Save it as UTF-8 CSV.") from None
    _check_classes(rows, path.name, label)
    return rows


def _parse(reader: "Iterator[list[str]]", name: str, text: str, label: str) -> Iterator[Row]:
    line = 1
    try:
        header = next(reader, None)
        if not header:
            raise InvalidDataset(f"{name!r} is empty. Give a CSV file with a header line and data.")
        if len(header) > MAX_COLUMNS:
            raise InvalidDataset(f"{name!r} has {len(header)} columns; at most {MAX_COLUMNS} are read.")
        columns = {column: header.index(column) for column in (text, label) if column in header}
        for column in (text, label):
            if column not in columns:
                known = ", ".join(repr(known[:40]) for known in header[:20])
                raise InvalidDataset(f"{name!r} has no column {column!r}. Its columns are {known}.")
        for index, record in enumerate(record for record in reader if record):
            line = getattr(reader, "line_num", line)
            if len(record) != len(header):
                raise InvalidDataset(f"{name!r}, line {line}: {len(record)} fields where the header has {len(header)}.")
            if "\0" in record[columns[text]] or "\0" in record[columns[label]]:
                raise InvalidDataset(f"{name!r}, line {line}: a NUL character. Save the file as plain text.")
            row = Row(index, record[columns[text]].strip(), record[columns[label]].strip())
            if not row.label:
                raise InvalidDataset(f"{name!r}, line {line}: column {label!r} is empty. Fill it or remove the line.")
            if not row.text:
                raise InvalidDataset(f"{name!r}, line {line}: column {text!r} is empty. Fill it or remove the line.")
            yield row
    except csv.Error as error:
        raise InvalidDataset(f"{name!r}, after line {line}: {error}. Save it as a plain CSV file.") from None


def _check_classes(rows: Sequence[Row], name: str, label: str) -> None:
    if not rows:
        raise InvalidDataset(f"{name!r} has a header and no data. Add rows.")
    classes = len({row.label for row in rows})
    if classes == 1:
        raise InvalidDataset(f"Column {label!r} of {name!r} has one class, {rows[0].label[:40]!r}. Two are needed.")
    if classes > MAX_LABELS:
        raise InvalidDataset(
            f"Column {label!r} of {name!r} has {classes} different values; at most {MAX_LABELS} make a classification."
        )


def without_duplicates(rows: Sequence[Row]) -> list[Row]:
    """The first of every group of texts that differ only in case and white space.

    A text that stands in train and test would let a method that memorises look like one that generalises.
    """
    seen: set[str] = set()
    unique = []
    for row in rows:
        key = " ".join(row.text.casefold().split())
        if key not in seen:
            seen.add(key)
            unique.append(row)
    return unique


def _default_splits(items: int) -> Splits:
    held_out = max(1, items // 5)
    return Splits(train=max(1, items - 2 * held_out), validation=held_out, test=held_out)


def split_rows(rows: Sequence[Row], splits: Splits) -> SplitRows:
    """Stratified splits: every class has its share of each split, drawn with `splits.seed`.

    Raises InvalidDataset where there are too few rows, or a class too small to be in every split.
    """
    wanted = splits.train + splits.validation + splits.test
    if len(rows) < wanted:
        raise InvalidDataset(
            f"The splits need {wanted} items ({splits.train} train, {splits.validation} validation, {splits.test} test)"
            f" and the dataset has {len(rows)} without duplicates. Ask for fewer or add data."
        )
    counts = Counter(row.label for row in rows)
    rarest, size = min(counts.items(), key=lambda entry: (entry[1], entry[0]))
    if size < SMALLEST_CLASS:
        raise InvalidDataset(
            f"Class {rarest[:40]!r} has {size} item(s); every class needs {SMALLEST_CLASS}, one for each split."
        )
    random = np.random.default_rng(splits.seed)
    by_label: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_label[row.label].append(row)
    pools = {
        label: [members[i] for i in random.permutation(len(members))] for label, members in sorted(by_label.items())
    }
    taken = {
        name: _draw(pools, size, random)
        for name, size in (("test", splits.test), ("validation", splits.validation), ("train", splits.train))
    }
    return SplitRows(**taken)


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


def read_splits(task: TaskSpec) -> SplitRows:
    """The splits of a study's task; raises InvalidDataset if the file changed since the study was made."""
    digest = hashlib.sha256(task.dataset.read_bytes()).hexdigest()
    if digest != task.dataset_sha256:
        raise InvalidDataset(f"{task.dataset.name!r} has changed since the study was made. Make a new study of it.")
    rows = read_rows(task.dataset, text=task.text, label=task.label)
    return split_rows(without_duplicates(rows), task.splits)


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
