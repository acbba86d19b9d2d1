"""Datasets in text files: CSV, TSV, and JSON with one object a line."""

import csv
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

from peft_core.dataset_records import Record, kind_of, refuse_missing
from peft_core.errors import InvalidDataset

MAX_LINE_BYTES = 24 * 2**20
MAX_LINES = 5_000_000
"""With empty ones, and those within quotes."""
MAX_SEPARATORS = 500_000
"""Of one line: what stands between them takes a hundred times the room once it is taken apart."""
MAX_DIGITS = 300
"""Of a whole number; a float64 has no more."""


def read_csv(file: BinaryIO, name: str, columns: Sequence[str], delimiter: str) -> Iterator[Record]:
    """The records of a file with a header line; raises InvalidDataset as `read_records` does."""
    reader = csv.reader(_lines(file, name, "CSV", delimiter), delimiter=delimiter)
    line = 1
    try:
        header = _header(reader, name)
        refuse_missing(columns, header, repr(name))
        places = {column: header.index(column) for column in columns}
        for record in reader:
            line = reader.line_num
            if not record:
                continue
            if len(record) != len(header):
                fields = "1 field" if len(record) == 1 else f"{len(record)} fields"
                raise InvalidDataset(f"{name!r}, line {line}: {fields} where the header has {len(header)}.")
            yield f"line {line}", {column: record[place] for column, place in places.items()}
    except csv.Error as error:
        raise _unreadable(name, line, error) from None


def csv_columns(file: BinaryIO, name: str, delimiter: str) -> list[str]:
    """The names of a file's header line; raises InvalidDataset for one that is empty, twice there, or no text."""
    try:
        header = _header(csv.reader(_lines(file, name, "CSV", delimiter), delimiter=delimiter), name)
    except csv.Error as error:
        raise _unreadable(name, 1, error) from None
    if "" in header:
        raise InvalidDataset(
            f"{name!r}, line 1: column {header.index('') + 1} has no name. Give each column a name in the first line."
        )
    refuse_missing(header, header, f"{name!r}, line 1,")
    return header


def json_columns(file: BinaryIO, name: str) -> list[str]:
    """The keys of a file's first object; raises InvalidDataset where there is none."""
    for number, line in enumerate(_lines(file, name, "JSON lines"), start=1):
        if line.strip():
            columns = list(_json_object(line, f"{name!r}, line {number}"))
            refuse_missing(columns, columns, f"{name!r}, line {number},")
            return columns
    raise InvalidDataset(f"{name!r} is empty. Give JSON with one object a line.")


def _header(reader: Iterator[list[str]], name: str) -> list[str]:
    header = next(reader, None)
    if not header:
        raise InvalidDataset(f"{name!r} is empty. Give a CSV file with a header line and data.")
    if any("\0" in column for column in header):
        raise InvalidDataset(f"{name!r} is no text file: its first line holds a NUL. Save it as UTF-8 CSV.")
    return [column.strip() for column in header]


def _unreadable(name: str, line: int, error: csv.Error) -> InvalidDataset:
    what = "a line that ends in a bare carriage return"
    if "limit" in str(error):
        what = f"a field larger than {csv.field_size_limit()} characters, or a quote that is never closed"
    return InvalidDataset(f"{name!r}, after line {line}: {what}. Save it as a plain CSV file.")


def read_json_lines(file: BinaryIO, name: str, columns: Sequence[str]) -> Iterator[Record]:
    """The objects of a file, one a line; raises InvalidDataset as `read_records` does."""
    for number, line in enumerate(_lines(file, name, "JSON lines"), start=1):
        if not line.strip():
            continue
        found = _json_object(line, f"{name!r}, line {number}")
        refuse_missing(columns, list(found), f"{name!r}, line {number},")
        yield f"line {number}", {column: found[column] for column in columns}


def _lines(file: BinaryIO, name: str, form: str, separator: str = ",") -> Iterator[str]:
    """The lines of a UTF-8 file, its byte order mark aside. Raises InvalidDataset before one that is out of all
    proportion is taken apart."""
    number = 0
    while line := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise InvalidDataset(f"{name!r}, line {number}: longer than {MAX_LINE_BYTES // 2**20} MiB. Shorten it.")
        if number > MAX_LINES:
            raise InvalidDataset(
                f"{name!r} has more than {MAX_LINES:,} lines. Give a smaller file, without empty ones."
            )
        if line.count(separator.encode()) > MAX_SEPARATORS:
            raise InvalidDataset(f"{name!r}, line {number}: more than {MAX_SEPARATORS:,} fields. Is it the right file?")
        try:
            text = line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise InvalidDataset(
                f"{name!r} is not UTF-8 text (line {number}, byte {error.start + 1}). Save it as UTF-8 {form}."
            ) from None
        yield text.removeprefix("\ufeff") if number == 1 else text


def _json_object(line: str, where: str) -> dict[str, Any]:
    try:
        found = json.loads(line, object_pairs_hook=_unique_keys, parse_constant=_no_constant, parse_int=_whole_number)
    except json.JSONDecodeError as error:
        raise InvalidDataset(
            f"{where}: not JSON ({error.msg}, column {error.colno}). Write one object a line."
        ) from None
    except (ValueError, RecursionError) as error:
        what = "nested too deeply" if isinstance(error, RecursionError) else error
        raise InvalidDataset(f"{where}: {what}. Write one plain object a line.") from None
    if not isinstance(found, dict):
        raise InvalidDataset(f"{where}: {kind_of(found)} where an object is needed. Write one object a line.")
    return found


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _ in pairs).items() if count > 1)
        raise ValueError(f"the key {twice[:40]!r} is there twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number of JSON")


def _whole_number(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number of {len(digits)} digits is too large")
    return int(digits)
