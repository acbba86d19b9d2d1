"""The sweep chart: four panels over the same values, the best ringed, the line, and a source for every digit."""

from typing import Any

import pytest
from sqlalchemy import Engine

from app.db.session import system_session
from app.schemas import Sweeps
from app.services.callers import LOCAL
from app.services.sweeps import sweeps
from app.ui.charts.sweep import sweep
from app.ui.theme import DARK, LIGHT, Palette
from tests.app.ui.figures import explained
from tests.flow.finished_study import Row, insert
from tests.flow.swept_study import RANKS, ranked


def found(engine: Engine, rows: tuple[Row, ...] = RANKS) -> Sweeps:
    with system_session(engine) as session:
        study = insert(session, team_id=1, rows=rows).id
    return sweeps(engine, LOCAL, study)


def draw(document: Sweeps, palette: Palette = LIGHT, **options: Any) -> Any:
    return sweep(document, document.sweeps[0], palette, headline="accuracy", **options)


def panel(figure: Any, place: int) -> list[Any]:
    """The traces of the panel at a place, from 1."""
    return [trace for trace in figure.data if (trace.xaxis or "x") == ("x" if place == 1 else f"x{place}")]


def marked(figure: Any, place: int) -> Any:
    [marks] = [trace for trace in panel(figure, place) if trace.customdata is not None and trace.mode == "markers"]
    return marks


@pytest.mark.parametrize("palette", [LIGHT, DARK])
@pytest.mark.parametrize("narrow", [False, True])
def test_every_digit_of_the_figure_has_an_entry_that_explains_it(
    engine: Engine, palette: Palette, narrow: bool
) -> None:
    entries, problems = explained(draw(found(engine), palette, narrow=narrow))
    assert problems == []
    assert entries >= 3 * 4


def test_the_panels_hold_the_figures_over_the_values(engine: Engine) -> None:
    document = found(engine)
    figure = draw(document)
    points = document.sweeps[0].points
    for place, name in enumerate(("quality", "composite", "parameters", "speed"), start=1):
        marks = marked(figure, place)
        assert list(marks.x) == [1, 4, 16]
        assert list(marks.y) == [getattr(point, name) for point in points]
    assert figure.layout.xaxis3.type == "log"
    assert list(figure.layout.xaxis3.ticktext) == ["1", "4", "16"]
    assert figure.layout.xaxis3.title.text == "Rank r"


def test_quality_has_whiskers_and_single_runs_are_hollow(engine: Engine) -> None:
    figure = draw(found(engine))
    whiskers = [trace for trace in panel(figure, 1) if trace.mode == "lines" and None in trace.y]
    assert len(whiskers) == 1
    assert sum(y is not None for y in whiskers[0].y) == 6
    assert list(marked(figure, 1).marker.symbol) == ["circle"] * 3
    assert list(marked(figure, 4).marker.symbol) == ["circle-open"] * 3


def test_the_best_is_ringed_in_every_panel_and_the_line_is_drawn(engine: Engine) -> None:
    document = found(engine)
    figure = draw(document)
    rings = [trace for trace in figure.data if trace.mode == "markers" and trace.customdata is None]
    assert [list(ring.x) for ring in rings] == [[4]] * 4
    [line] = figure.layout.shapes
    assert line.y0 == document.sweeps[0].line.value  # type: ignore[union-attr]
    assert any("enough: 92.8" in text for trace in figure.data if trace.text for text in trace.text)


def test_what_is_missing_leaves_a_gap_and_an_empty_panel_says_so(engine: Engine) -> None:
    one = found(engine, (*RANKS[:4], ranked(4, (0.94, 0.93, 0.94), speed=None)))
    assert list(marked(draw(one), 4).x) == [1, 16]
    # Without full fine-tuning nothing has a composite, and no line.
    without = draw(found(engine, (RANKS[0], *RANKS[2:])))
    assert [list(trace.text) for trace in panel(without, 2)] == [["no data"]]
    assert without.layout.shapes == ()


def test_values_that_are_near_take_a_linear_axis_and_a_narrow_screen_one_column(engine: Engine) -> None:
    figure = draw(found(engine, (*RANKS[:2], ranked(4, (0.93, 0.94, 0.94)), ranked(6, (0.94, 0.94, 0.94)))))
    assert figure.layout.xaxis.type == "linear"
    narrow = draw(found(engine), narrow=True)
    assert narrow.layout.height > 1.8 * (figure.layout.height - 60)
    assert narrow.layout.xaxis4.title.text == "Rank r"
