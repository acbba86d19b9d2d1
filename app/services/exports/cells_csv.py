"""CSV: one line for each cell, for spreadsheets and data frames."""

import csv
import io
import re

from sqlalchemy import Engine

from app.services.callers import Caller
from app.services.exports.table import COLUMNS, Value, cell_rows, number_text
from app.services.results import comparison

FORMULA_START = re.compile(r"[\s\ufeff\u200b]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
"""What a spreadsheet takes for a formula: also behind space, and in the full width that East Asian ones read alike."""

NUMBER = re.compile(r"[+-]?[0-9]+([.][0-9]+)?(e[+-]?[0-9]+)?")
"""The only value of a cell, for instance."""


def as_csv(engine: Engine, caller: Caller, study_id: int) -> str:
    """The study's cells, in SI units."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    rows = cell_rows(comparison(engine, caller, study_id))
    writer.writerows([_field(value) for value in row] for row in rows)
    return text.getvalue()


def _field(value: Value) -> str:
    return neutralised(value) if isinstance(value, str) else number_text(value)


def neutralised(text: str) -> str:
    """Text that a spreadsheet would run as a formula gets an apostrophe. Numbers are no text and stay numbers."""
    # The writer puts no quotes around a lone carriage return, and readers end the line there.
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return f"'{text}" if FORMULA_START.match(text) and not NUMBER.fullmatch(text) else text
