"""The Pareto chart: how sure points look, the front's steps, what is off the scale, and a source for every digit."""

from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import Engine

from app.db.session import system_session
from app.schemas import Axis, Pareto
from app.services.callers import LOCAL
from app.services.pareto import pareto as read_pareto
from app.ui.charts.pareto import HEIGHT, NARROW_HEIGHT, pareto
from app.ui.theme import DARK, LIGHT, Palette
from tests.app.ui.figures import explained, marks
from tests.flow.finished_study import insert

SIZE_AND_QUALITY: Mapping[Axis, str] = {"x": "trainable_parameters", "y": "task_performance"}


def found(engine: Engine, names: Mapping[Axis, str] = SIZE_AND_QUALITY, floor: float | None = None) -> Pareto:
    with system_session(engine) as session:
        study = insert(session, team_id=1).id
    return read_pareto(engine, LOCAL, study, names, floor)


def draw(document: Pareto, palette: Palette = LIGHT, **options: Any) -> Any:
    return pareto(document, palette, headline="accuracy", **options)


@pytest.mark.parametrize("palette", [LIGHT, DARK])
@pytest.mark.parametrize("narrow", [False, True])
def test_every_digit_of_the_figure_has_an_entry_that_explains_it(
    engine: Engine, palette: Palette, narrow: bool
) -> None:
    document = found(engine, {**SIZE_AND_QUALITY, "z": "peak_memory"}, floor=0.2)
    entries, problems = explained(draw(document, palette, narrow=narrow))
    assert problems == []
    assert entries > 30


def test_a_point_is_filled_from_half_of_the_draws_and_hollow_below(engine: Engine) -> None:
    document = found(engine)
    for name, trace in marks(draw(document)).items():
        [point] = [point for point in document.points if point.label == name]
        if point.method == "head_only":
            continue
        assert trace.marker.symbol.endswith("-open") == (point.front_share < 0.5)
        assert trace.marker.symbol.removesuffix("-open") == LIGHT.family(point.family).marker
        assert trace.marker.color == LIGHT.family(point.family).colour


def test_a_hover_tells_values_place_share_and_runs(engine: Engine) -> None:
    said = marks(draw(found(engine)))["Adapter d48"].hovertext[0]
    assert "<b>Adapter d48</b><br>trainable <b>" in said
    assert "accuracy <b>93.3\u202f%</b> [" in said
    assert "of the draws<br>beaten by <b>LoRA r8</b>" in said
    assert "measured · runs " in said


def test_no_parameters_have_no_place_on_a_logarithmic_axis(engine: Engine) -> None:
    head = marks(draw(found(engine)))["Head only"]
    assert head.marker.symbol == "triangle-left"
    assert head.x[0] == 0


@pytest.mark.parametrize(
    ("names", "shape"),
    [
        ({"x": "trainable_parameters", "y": "task_performance"}, "hv"),
        ({"x": "peak_memory", "y": "storage_bytes"}, "hv"),
        ({"x": "training_speed", "y": "task_performance"}, "vh"),
        ({"x": "training_speed", "y": "storage_bytes"}, "vh"),
    ],
)
def test_no_point_lies_beyond_the_steps_of_the_front(engine: Engine, names: Mapping[Axis, str], shape: str) -> None:
    document = found(engine, names)
    figure = draw(document)
    [line] = [trace for trace in figure.data if trace.mode == "lines" and trace.line.shape]
    assert line.line.shape == shape
    assert len(line.x) == sum(point.on_front for point in document.points)
    better = 1 if document.axes["y"].better == "higher" else -1
    for trace in marks(figure).values():
        (x,), (y,) = trace.x, trace.y
        before = [k for k in range(len(line.x)) if (line.x[k] <= x if shape == "hv" else line.x[k] >= x)]
        # Between two points the line runs at the height of the one that it comes from (hv) or goes to (vh).
        height = line.y[before[-1] if shape == "hv" else before[0]]
        assert better * y <= better * height


def test_a_third_metric_sets_the_size_and_takes_the_line_away(engine: Engine) -> None:
    document = found(engine, {**SIZE_AND_QUALITY, "z": "peak_memory"})
    figure = draw(document)
    assert not any(trace.line.shape for trace in figure.data if trace.mode == "lines")
    sizes = {name: trace.marker.size for name, trace in marks(figure).items()}
    memory = {point.label: point.z or 0.0 for point in document.points}
    assert sorted(sizes, key=lambda name: -sizes[name]) == sorted(memory, key=lambda name: memory[name])


def test_the_floor_is_a_line_where_quality_has_an_axis(engine: Engine) -> None:
    figure = draw(found(engine, floor=0.5))
    assert [shape.line.dash for shape in figure.layout.shapes] == ["dash"]
    assert any("quality floor 81.0" in text for trace in figure.data if trace.text for text in trace.text)
    without = draw(found(engine, {"x": "storage_bytes", "y": "peak_memory"}, floor=0.5))
    assert without.layout.shapes == ()


def test_a_narrow_screen_names_only_what_is_sure(engine: Engine) -> None:
    document = found(engine)
    named = {name for name, trace in marks(draw(document)).items() if trace.text}
    surely = {name for name, trace in marks(draw(document, narrow=True)).items() if trace.text}
    assert surely == {point.label for point in document.points if point.front_share >= 0.5}
    assert surely < named
    assert draw(document).layout.height == HEIGHT
    assert draw(document, narrow=True).layout.height == NARROW_HEIGHT


def test_axes_say_metric_unit_and_direction(engine: Engine) -> None:
    layout = draw(found(engine)).layout
    assert (layout.xaxis.title.text, layout.yaxis.title.text) == ("Trainable, params ↓", "Accuracy, % ↑")
    assert len(layout.xaxis.ticktext) >= 2


def test_without_points_the_figure_is_empty_and_whole(engine: Engine) -> None:
    document = found(engine).model_copy(update={"points": []})
    figure = draw(document)
    assert marks(figure) == {}
    assert figure.layout.xaxis.title.text == "Trainable, params ↓"
