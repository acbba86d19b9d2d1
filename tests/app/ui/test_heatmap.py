"""The heatmap and the forest: every state of a number looks as it must, and every digit has a source."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import plotly.graph_objects as go
import pytest

from app.schemas import Cell, Comparison
from app.ui.cells import QUALITY, Matrix
from app.ui.charts.column_axis import column_axis
from app.ui.charts.dot_list import dot_list
from app.ui.charts.heatmap import heatmap
from app.ui.theme import DARK, LIGHT, Palette
from tests.app.ui.documents import comparison
from tests.flow.evidence import read_trace, unexplained_digits
from tests.flow.finished_study import QUICKSTART, SEEDS

LORA, P_TUNING_V2, UNTUNED = 4, 7, 1


def changed(configuration: int, metric: str, **changes: Any) -> Comparison:
    """The comparison with one cell changed."""
    document = comparison()

    def edit(cell: Cell) -> Cell:
        hit = (cell.configuration, cell.metric) == (configuration, metric)
        return cell.model_copy(update=changes) if hit else cell

    return document.model_copy(update={"cells": [edit(cell) for cell in document.cells]})


def draw(document: Comparison, palette: Palette = LIGHT) -> go.Figure:
    """The figure as Plotly takes it: it refuses a property that it does not know."""
    return go.Figure(heatmap(Matrix(document, "accuracy"), palette, seeds=SEEDS))


def row_of(figure: go.Figure, name: str) -> int:
    return list(figure.layout.yaxis.ticktext).index(name)


def column_of(document: Comparison, metric: str) -> int:
    return [card.key for card in document.metrics if card.in_heatmap].index(metric)


def hover(figure: go.Figure, row: int, column: int) -> str:
    return str(figure.data[0].hovertext[row][column])


def text(figure: go.Figure, row: int, column: int) -> str:
    """What the cell prints."""
    width = len(figure.data[0].hovertext[0])
    of_cells = next(
        trace for trace in of_mode(figure, "text") if len(trace.text) == width * len(figure.data[0].hovertext)
    )
    return str(of_cells.text[row * width + column])


def of_mode(figure: go.Figure, mode: str) -> list[go.Scatter]:
    return [trace for trace in figure.data if trace.type == "scatter" and trace.mode == mode]


def sourced_traces(figure: go.Figure) -> list[dict[str, Any]]:
    """The traces as the browser's walker reads them."""
    names = ("type", "mode", "hoverinfo", "text", "hovertext", "customdata")
    read = [{name: trace.to_plotly_json().get(name) for name in names} for trace in figure.data]
    return [t | {"mode": t["mode"] or "", "hoverinfo": t["hoverinfo"] or "", "name": "", "points": 0} for t in read]


@pytest.mark.parametrize("palette", [LIGHT, DARK])
def test_every_digit_of_the_figure_has_an_entry_that_explains_it(palette: Palette) -> None:
    checked = 0
    for trace in sourced_traces(draw(comparison(), palette)):
        points, problems = read_trace({**trace, "hovertemplate": "", "texttemplate": ""}, "figure")
        assert problems == []
        for point in points:
            assert unexplained_digits(point) is None
            checked += len(point.entries)
    assert checked > 200


def test_a_measured_cell_prints_mean_and_half_width_and_marks_its_place_with_a_whisker() -> None:
    document = comparison()
    figure = draw(document)
    assert text(figure, row_of(figure, "LoRA r8"), 0) == "93.7 ± 0.8\u202f%"
    assert "over seeds" in hover(figure, row_of(figure, "LoRA r8"), 0)
    assert "runs 41, 42, 43" in hover(figure, row_of(figure, "LoRA r8"), 0)


def test_single_runs_are_hollow_and_exact_values_are_ticks() -> None:
    figure = draw(comparison())
    marks = {trace.marker.symbol: len(trace.x) for trace in of_mode(figure, "markers") if trace.xaxis == "x"}
    probed = ("training_speed", "inference_latency", "peak_memory", "simplicity")
    assert marks["circle-open"] == sum(row.probe[key] is not None for row in QUICKSTART for key in probed)
    # Zero has no place on a logarithmic scale.
    assert marks["line-ns"] == sum(value > 0 for row in QUICKSTART for value in (row.parameters, row.storage_bytes))
    assert marks["circle"] == len(QUICKSTART)


def test_a_fewer_seeds_cell_says_n_and_is_outlined_where_runs_failed() -> None:
    figure = draw(comparison())
    printed = text(figure, row_of(figure, "P-Tuning v2 n20"), 0)
    assert "✕ n 2" in printed
    red = [shape for shape in figure.layout.shapes if shape.line.color == LIGHT.bad]
    assert len(red) == 1
    assert "1 failed" in hover(figure, row_of(figure, "P-Tuning v2 n20"), 0)


def test_a_cell_whose_runs_all_failed_says_how_many() -> None:
    document = changed(LORA, QUALITY, mean=None, interval=None, n=0, values=[], run_ids=[], failures=3, source=None)
    figure = draw(document)
    assert text(figure, row_of(figure, "LoRA r8"), 0) == "✕ 3 failed"
    assert figure.data[0].z[row_of(figure, "LoRA r8")][0] is None


def test_a_missing_cell_is_a_dash_without_fill_and_its_hover_gives_the_reason() -> None:
    document = comparison()
    figure = draw(document)
    row, column = row_of(figure, "Untuned"), column_of(document, "training_speed")
    assert text(figure, row, column) == "–"
    assert figure.data[0].z[row][column] is None
    assert "this method trains nothing" in hover(figure, row, column)
    assert any(shape.line.dash == "dot" for shape in figure.layout.shapes)


def test_an_estimated_cell_has_both_the_sign_and_the_hatch() -> None:
    document = changed(LORA, "peak_memory", source="estimated")
    figure = draw(document)
    assert text(figure, row_of(figure, "LoRA r8"), column_of(document, "peak_memory")).startswith("≈")
    bars = [trace for trace in figure.data if trace.type == "bar"]
    assert [list(bar.y) for bar in bars] == [[row_of(figure, "LoRA r8")]]
    assert not [trace for trace in draw(comparison()).data if trace.type == "bar"]


def test_a_value_without_a_score_has_no_colour_and_keeps_its_number() -> None:
    figure = draw(changed(LORA, QUALITY, normalised=None))
    row = row_of(figure, "LoRA r8")
    assert figure.data[0].z[row][0] is None
    assert "93.7" in text(figure, row, 0)


def test_rows_open_with_the_reference_and_close_with_the_baselines() -> None:
    names = list(draw(comparison()).layout.yaxis.ticktext)
    assert names[0] == "Full fine-tuning"
    assert names[1:3] == ["LoRA r8", "Adapter d48"]
    assert names[-2:] == ["Head only", "Untuned"]


def test_sorting_by_a_cost_puts_the_cheapest_method_first_and_the_missing_last() -> None:
    document = changed(LORA, "storage_bytes", mean=None, values=[], run_ids=[])
    figure = heatmap(Matrix(document, "accuracy"), LIGHT, seeds=3, sort="storage_bytes")
    names = figure["layout"]["yaxis"]["ticktext"]
    assert names[1] == "Prefix tuning n20"
    assert names[-3] == "LoRA r8"


def test_a_metric_without_data_keeps_a_narrow_place() -> None:
    document = comparison()
    empty = [
        cell.model_copy(update={"mean": None, "values": [], "run_ids": []}) if cell.metric == "simplicity" else cell
        for cell in document.cells
    ]
    figure = draw(document.model_copy(update={"cells": empty}))
    edges = list(figure.data[0].x)
    widths = [right - left for left, right in pairwise(edges)]
    assert widths[column_of(document, "simplicity")] == min(widths)
    assert any("no data" in annotation.text for annotation in figure.layout.annotations)


def test_a_tie_is_hollow_and_grey_a_shown_difference_filled_and_coloured() -> None:
    figure = draw(comparison())
    forest = next(t for t in of_mode(figure, "markers") if t.xaxis == "x2" and t.customdata is not None)
    for symbol, colour, words in zip(forest.marker.symbol, forest.marker.color, forest.hovertext, strict=True):
        tie = ": tie" in words
        assert tie == symbol.endswith("-open")
        assert colour == (LIGHT.tie if tie else LIGHT.worse)


def test_without_differences_there_is_no_forest() -> None:
    figure = draw(comparison().model_copy(update={"differences": []}))
    assert not any("minus" in annotation.text for annotation in figure.layout.annotations)


def test_one_method_far_below_does_not_squeeze_the_column() -> None:
    axis = column_axis([0.0, 0.91, 0.92, 0.93, 0.94, 0.95], log=False)
    assert axis is not None
    assert axis.place(0.0) < 0
    assert 0 <= axis.place(0.91) < axis.place(0.95) <= 1


def test_a_logarithmic_column_gives_equal_ratios_equal_room_and_zero_no_place() -> None:
    axis = column_axis([0.0, 1e3, 1e5], log=True)
    assert axis is not None
    assert axis.place(1e4) == pytest.approx(0.5)
    assert axis.place(0.0) < 0
    assert axis.ticks() == [1e3, 1e4, 1e5]


def test_a_column_of_equal_values_still_has_an_axis() -> None:
    axis = column_axis([0.6, 0.6], log=False)
    assert axis is not None
    assert axis.place(0.6) == pytest.approx(0.5)
    assert column_axis([], log=True) is None


def test_a_narrow_screen_gets_one_metric_with_a_row_for_every_configuration() -> None:
    matrix = Matrix(comparison(), "accuracy")
    figure = dot_list(matrix, QUALITY, LIGHT, seeds=SEEDS)
    assert figure.layout.height >= 44 * len(QUICKSTART)
    texts = [word for trace in figure.data if trace.mode == "text" for word in trace.text]
    assert any("93.7 ± 0.8" in word and "tie" in word for word in texts)
    for trace in sourced_traces(figure):
        points, _ = read_trace({**trace, "hovertemplate": "", "texttemplate": ""}, "dots")
        assert [unexplained_digits(point) for point in points if unexplained_digits(point)] == []


def test_a_name_with_a_number_in_it_needs_no_run() -> None:
    rows = (*QUICKSTART[:3], replace(QUICKSTART[3], label="LoRA 94.1"))
    for trace in sourced_traces(draw(comparison(rows))):
        points, _ = read_trace({**trace, "hovertemplate": "", "texttemplate": ""}, "figure")
        assert all(unexplained_digits(point) is None for point in points)
