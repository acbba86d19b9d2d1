"""A study as a file: all of it for another installation, the document that makes it again, or its cells to read."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Engine

from app.language import DEFAULT, language, speaking
from app.services.callers import Caller
from app.services.exports.archive import as_json
from app.services.exports.cells_csv import as_csv
from app.services.exports.markdown import as_markdown
from app.services.exports.report import as_html
from app.services.exports.study_yaml import as_yaml

Format = Literal["json", "yaml", "csv", "md", "html"]


@dataclass(frozen=True)
class Written:
    """One way to write a study down. `write` may raise NotFound. `read`: by people, so in the reader's language; what
    programs read is the same in every language."""

    write: Callable[[Engine, Caller, int], str]
    media_type: str
    read: bool = False


FORMATS: dict[Format, Written] = {
    "json": Written(as_json, "application/json"),
    "yaml": Written(as_yaml, "application/yaml"),
    "csv": Written(as_csv, "text/csv"),
    "md": Written(as_markdown, "text/markdown", read=True),
    "html": Written(as_html, "text/html", read=True),
}


def export_study(engine: Engine, caller: Caller, study_id: int, kind: Format) -> str:
    """json: the document with all results, which can be imported. yaml: the document alone, filled in, which makes the
    study again. csv, md: the cells, in SI units, with the runs behind them. html: a report to read and to print."""
    written = FORMATS[kind]
    with speaking(language() if written.read else DEFAULT):
        return written.write(engine, caller, study_id)
