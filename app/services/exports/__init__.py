"""A study as a file: all of it for another installation, the document that makes it again, or its cells to read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Engine

from app.services.callers import Caller
from app.services.exports.archive import as_json
from app.services.exports.cells_csv import as_csv
from app.services.exports.markdown import as_markdown
from app.services.exports.report import as_html
from app.services.exports.study_yaml import as_yaml

Format = Literal["json", "yaml", "csv", "md", "html"]


@dataclass(frozen=True)
class Written:
    """One way to write a study down. `write` may raise NotFound."""

    write: Callable[[Engine, Caller, int], str]
    media_type: str


FORMATS: dict[Format, Written] = {
    "json": Written(as_json, "application/json"),
    "yaml": Written(as_yaml, "application/yaml"),
    "csv": Written(as_csv, "text/csv"),
    "md": Written(as_markdown, "text/markdown"),
    "html": Written(as_html, "text/html"),
}


def export_study(engine: Engine, caller: Caller, study_id: int, kind: Format) -> str:
    """json: the document with all results, which can be imported. yaml: the document alone, filled in, which makes the
    study again. csv, md: the cells, in SI units, with the runs behind them. html: a report to read and to print."""
    return FORMATS[kind].write(engine, caller, study_id)
