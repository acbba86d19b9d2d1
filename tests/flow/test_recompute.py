"""Recomputing a shown number from the rows, and explaining the digits of a figure's point; no browser needed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from app.db.migrate import migrate
from app.db.session import make_engine, system_session, team_session
from app.services import results
from app.services.callers import LOCAL
from app.ui.cells import Matrix, gap
from app.ui.numbers import attributes
from tests.flow.evidence import FigurePoint, read_trace, unexplained_digits
from tests.flow.finished_study import insert
from tests.flow.recompute import PageQuestion, recompute


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    """A migrated database with one finished study."""
    url = f"sqlite:///{tmp_path / 'atlas.sqlite'}"
    migrate(url)
    engine = make_engine(url)
    with system_session(engine) as session:
        insert(session, team_id=1)
    yield engine
    engine.dispose()


def test_every_number_of_every_cell_is_recomputed(engine: Engine) -> None:
    comparison = results.comparison(engine, LOCAL, 1)
    matrix = Matrix(comparison, "accuracy")
    measured = [cell for cell in comparison.cells if cell.mean is not None]
    found = [matrix.mean(cell) for cell in measured] + [matrix.count(cell) for cell in measured]
    found += [number for cell in measured for number in matrix.values(cell)]
    found += [number for cell in measured for number in matrix.interval(cell) or ()]
    found += [n for cell in measured for n in (matrix.half_width(cell), matrix.normalised(cell)) if n is not None]
    found += [bound for cell in comparison.cells if (bound := matrix.at_least(cell)) is not None]
    statistics = {"mean", "value", "count", "lo", "hi", "half_width", "normalised", "at_least"}
    assert statistics == {number.statistic for number in found}
    with team_session(engine, 1) as session:
        for number in found:
            sourced = {name.removeprefix("data-"): value for name, value in attributes(number).items()}
            [value] = recompute(session, sourced, PageQuestion(engine, {}))
            assert value == pytest.approx(number.value)


def test_every_figure_of_every_difference_is_recomputed(engine: Engine) -> None:
    differences = results.comparison(engine, LOCAL, 1).differences
    assert differences
    with team_session(engine, 1) as session:
        for found in differences:
            figures = {
                "difference": found.value,
                "lo": found.interval[0],
                "hi": found.interval[1],
                "corrected_lo": found.corrected[0],
                "corrected_hi": found.corrected[1],
                "p_value": found.p_value,
            }
            for statistic, value in figures.items():
                given = attributes(gap(found, value, statistic))
                sourced = {name.removeprefix("data-"): text for name, text in given.items()}
                [again] = recompute(session, sourced, PageQuestion(engine, {}))
                assert again == pytest.approx(value, abs=1e-12)


def test_a_value_that_is_not_the_rows_own_is_not_given_back(engine: Engine) -> None:
    matrix = Matrix(results.comparison(engine, LOCAL, 1), "accuracy")
    full = matrix.cell(3, "task_performance")
    assert full is not None
    sourced = {name.removeprefix("data-"): value for name, value in attributes(matrix.mean(full)).items()}
    with team_session(engine, 1) as session:
        own = recompute(session, sourced, PageQuestion(engine, {}))
        assert recompute(session, sourced | {"source": "runs:1,2,3"}, PageQuestion(engine, {})) != own


def test_an_unknown_formula_or_statistic_is_refused(engine: Engine) -> None:
    asked = PageQuestion(engine, {})
    with team_session(engine, 1) as session:
        for sourced in ({"source": "formula:guess", "statistic": "formula"}, {"source": "runs:1", "statistic": "vibe"}):
            with pytest.raises(KeyError):
                recompute(session, sourced, asked)
        with pytest.raises(ValueError, match="names no runs"):
            recompute(session, {"source": "trust me", "statistic": "mean"}, asked)


ENTRY = {"source": "runs:1", "statistic": "mean", "metric": "task_performance", "value": "0.94", "quantity": "fraction"}


@pytest.mark.parametrize(
    ("text", "entries", "explained"),
    [
        ("94.0\u202f%", [ENTRY], True),
        ("94.0", [ENTRY], True),
        ("<span style='font-size:10px'>94.0\u202f%</span>", [ENTRY], True),
        ("LoRA r8: 94.0\u202f%", [ENTRY, {"label": "LoRA r8"}], True),
        ("run 41: 94.0\u202f%", [ENTRY, {"id": "41"}], True),
        ("194.0\u202f%", [ENTRY], False),
        ("94.0\u202f% and 94.0\u202f%", [ENTRY], False),
        ("LoRA r8: 94.0\u202f%", [ENTRY], False),
        ("94.1\u202f%", [ENTRY], False),
        ("41", [], False),
    ],
)
def test_the_digits_of_a_point_must_be_its_entries(text: str, entries: list[dict[str, Any]], explained: bool) -> None:
    assert (unexplained_digits(FigurePoint(text, entries, "here")) is None) == explained


def test_a_trace_that_prints_its_coordinates_needs_an_entry_for_every_point() -> None:
    trace = {"type": "scatter", "mode": "lines", "hoverinfo": "", "text": None, "hovertext": None, "points": 3}
    assert read_trace(trace | {"customdata": [ENTRY]}, "loss")[1] != []
    points, problems = read_trace(trace | {"customdata": [ENTRY] * 3}, "loss")
    assert problems == []
    assert len(points) == 3
    assert read_trace(trace | {"hoverinfo": "skip", "customdata": None}, "loss") == ([], [])
