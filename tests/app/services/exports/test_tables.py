"""Cells as CSV and Markdown: nothing a spreadsheet would run, nothing a page would render, every number exact."""

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from app.db.session import system_session
from app.db.tables import Configuration, MeasurementRow, Run, Study
from app.services import results, studies
from app.services.callers import LOCAL
from app.services.exports import export_study
from app.services.exports.cells_csv import NUMBER, neutralised
from app.services.exports.markdown import escaped
from app.settings import Settings
from tests.app.services import exported

NASTY = '=HYPERLINK("http://x","y")|<script>alert(1)</script>'


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text), strict=True))


def rename(engine: Engine, label: str) -> None:
    with system_session(engine) as session:
        session.scalars(select(Configuration).where(Configuration.method == "lora")).one().label = label
        session.scalars(select(Study)).one().name = label
        session.scalars(select(Run).where(Run.status == "failed")).one().reason = label


# -- CSV --------------------------------------------------------------------------------------------------------------


def test_every_cell_is_a_line_whose_numbers_are_exact(engine: Engine) -> None:
    study = exported.finished(engine)
    cells = results.comparison(engine, LOCAL, study).cells
    rows = read(export_study(engine, LOCAL, study, "csv"))
    assert len(rows) == len(cells)
    for row, cell in zip(rows, cells, strict=True):
        lo, hi = cell.interval or (None, None)
        for name, value in {"mean": cell.mean, "lo": lo, "hi": hi, "normalised": cell.normalised}.items():
            assert (float(row[name]) if row[name] else None) == value
        assert [float(value) for value in row["values"].split()] == cell.values
        assert [int(run) for run in row["run_ids"].split()] == cell.run_ids
        assert (row["n"], row["failures"], row["better"]) == (str(cell.n), str(cell.failures), cell.better)


def test_an_interval_says_what_it_covers_and_a_score_its_anchors(engine: Engine) -> None:
    rows = read(export_study(engine, LOCAL, exported.finished(engine), "csv"))
    assert {row["interval"] for row in rows if row["lo"]} == {"95 % over seeds"}
    assert {row["interval"] for row in rows if not row["lo"]} == {""}
    assert {row["anchors_version"] for row in rows} == {"1"}


def test_a_missing_value_says_why(engine: Engine) -> None:
    rows = read(export_study(engine, LOCAL, exported.finished(engine), "csv"))
    (speed,) = [row for row in rows if (row["method"], row["metric"]) == ("untuned", "training_speed")]
    assert (speed["mean"], speed["source"]) == ("", "missing: this method trains nothing")


@pytest.mark.parametrize(
    "start", ["=", "+", "-", "@", "\t", "\r", "\n", " =", "\u3000=", "\ufeff=", "＝", "＋", "－", "＠", "=-", "\t="]
)
def test_a_label_that_a_spreadsheet_would_run_is_neutralised(engine: Engine, start: str) -> None:
    study = exported.finished(engine)
    rename(engine, f"{start}1+1")
    (row, *_) = [row for row in read(export_study(engine, LOCAL, study, "csv")) if row["method"] == "lora"]
    assert row["configuration"] == f"'{start}1+1".replace("\r", "\n")


@pytest.mark.parametrize("text", ["LoRA r8", "a=b", "1 + 1", "50 %", "", "(-1)", "x@y"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert neutralised(text) == text


def test_negative_numbers_stay_numbers(engine: Engine) -> None:
    study = exported.of_losses(engine)
    with system_session(engine) as session:
        for measured in session.scalars(select(MeasurementRow).where(MeasurementRow.metric == "task_performance")):
            measured.value = -0.25
    rows = read(export_study(engine, LOCAL, study, "csv"))
    assert {row["mean"] for row in rows if row["metric"] == "task_performance"} == {"-0.25"}


@given(st.text(max_size=40))
def test_no_text_begins_like_a_formula(text: str) -> None:
    found, lines = neutralised(text), text.replace("\r\n", "\n").replace("\r", "\n")
    assert found in (lines, f"'{lines}")
    # A number begins with its sign and runs nothing.
    assert NUMBER.fullmatch(found) or not found.strip("\ufeff\u200b \u3000").startswith(tuple("=+-@＝＋－＠"))
    assert not found.startswith(("\t", "\r", "\n"))


# -- Markdown ---------------------------------------------------------------------------------------------------------


def table_after(text: str, heading: str) -> list[list[str]]:
    """The rows of the table below a heading, head first, split at bars that are not escaped."""
    below = text.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in below.splitlines() if line.startswith("|")]
    return [[part.strip() for part in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_it_says_what_it_shows_and_by_which_version(engine: Engine) -> None:
    study = exported.finished(engine)
    text = export_study(engine, LOCAL, study, "md")
    assert text.startswith("# Quickstart\n")
    assert "anchors version 1" in text
    assert "PEFT Atlas 0.1.0" in text
    assert "2 of 5 methods tie full fine-tuning" in text
    assert "- Some runs failed; their cells say how many." in text


def test_differences_come_with_verdict_and_exact_numbers(engine: Engine) -> None:
    study = exported.finished(engine)
    found = results.comparison(engine, LOCAL, study)
    head, _, *rows = table_after(export_study(engine, LOCAL, study, "md"), "Differences")
    assert len(rows) == len(found.differences) == 5
    for row, difference in zip(rows, found.differences, strict=True):
        told = dict(zip(head, row, strict=True))
        assert float(told["difference"]) == difference.value
        assert (float(told["corrected_lo"]), float(told["corrected_hi"])) == difference.corrected
        assert (told["verdict"], float(told["p_holm"])) == (difference.verdict, difference.p_value)


def test_a_label_from_a_person_breaks_no_table_and_makes_no_element(engine: Engine) -> None:
    study = exported.finished(engine)
    rename(engine, f"{NASTY}\n| second | line |")
    text = export_study(engine, LOCAL, study, "md")
    rows = table_after(text, "Cells")
    assert {len(row) for row in rows} == {len(rows[0])}
    assert len(rows) == 2 + len(results.comparison(engine, LOCAL, study).cells)
    assert "<script" not in text
    assert text.splitlines()[0].startswith("# =HYPERLINK")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", r"a\|b"),
        ("a\r\nb", "a b"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("[x](javascript:y)", r"\[x\](javascript:y)"),
        ("`x` *y*", r"\`x\` \*y\*"),
        ("a\\|b", r"a\\\|b"),
        ("task_performance -1.5e-07", "task_performance -1.5e-07"),
    ],
)
def test_text_stays_text(text: str, shown: str) -> None:
    assert escaped(text) == shown


def test_a_study_without_differences_has_no_empty_table(engine: Engine, settings: Settings) -> None:
    study = studies.create_study(engine, settings, LOCAL, studies.quickstart_document())
    text = export_study(engine, LOCAL, study, "md")
    assert "## Differences" not in text
    assert "not measured yet" in text
