"""Reading dataset files record by record: what a line holds, and where it stands when something is wrong with it."""

import csv
import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from peft_core.errors import InvalidDataset

Cell = str | int | float | bool | list["Cell"] | None
"""What one field of a record may hold; CSV knows text alone."""

MAX_FILE_BYTES = 512 * 2**20
MAX_COLUMNS = 1_000

Record = tuple[str, dict[str, Cell]]
"""Where a record stands ("line 3") and its cells by column."""


def content_sha256(path: Path) -> str:
    """A hash of the dataset's bytes, by which a run knows that it reads what the study was made of."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_records(path: Path, columns: Sequence[str]) -> Iterator[Record]:
    """The records of a UTF-8 CSV (or, by its name, TSV) file with a header line.

    Raises InvalidDataset naming what is wrong: no such file, not UTF-8, a column of `columns` that is missing, a
    ragged line.
    """
    if not path.is_file():
        raise InvalidDataset(f"There is no dataset file {path.name!r}. Give the path of a CSV file.")
    if path.stat().st_size > MAX_FILE_BYTES:
        raise InvalidDataset(f"{path.name!r} is larger than {MAX_FILE_BYTES // 2**20} MiB. Give a smaller file.")
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from _read_csv(csv.reader(file, delimiter=delimiter), path.name, columns)
    except UnicodeDecodeError as error:
        raise InvalidDataset(f"{path.name!r} is not UTF-8 text (byte {error.start}). Save it as UTF-8 CSV.") from None


def _read_csv(reader: "Iterator[list[str]]", name: str, columns: Sequence[str]) -> Iterator[Record]:
    line = 1
    try:
        header = next(reader, None)
        if not header:
            raise InvalidDataset(f"{name!r} is empty. Give a CSV file with a header line and data.")
        if len(header) > MAX_COLUMNS:
            raise InvalidDataset(f"{name!r} has {len(header)} columns; at most {MAX_COLUMNS} are read.")
        refuse_missing(columns, header, name)
        places = {column: header.index(column) for column in columns}
        for record in reader:
            line = getattr(reader, "line_num", line)
            if not record:
                continue
            if len(record) != len(header):
                raise InvalidDataset(f"{name!r}, line {line}: {len(record)} fields where the header has {len(header)}.")
            yield f"line {line}", {column: record[place] for column, place in places.items()}
    except csv.Error as error:
        raise InvalidDataset(f"{name!r}, after line {line}: {error}. Save it as a plain CSV file.") from None


def refuse_missing(columns: Sequence[str], known: Sequence[str], name: str) -> None:
    """Raises InvalidDataset naming the first of `columns` that a dataset does not have, and what it has."""
    for column in columns:
        if column not in known:
            listed = ", ".join(repr(column[:40]) for column in known[:20])
            raise InvalidDataset(f"{name!r} has no column {column!r}. Its columns are {listed}.")
