"""The panel "Advantage over full fine-tuning": how many times less methods cost, beside what it does to quality."""

import asyncio
from math import log
from typing import Any

from dash import Input, Output, State, html, no_update

from app.client import ApiProblem
from app.language import mark, tr
from app.schemas import ConfigurationView
from app.ui.cells import QUALITY, Matrix, gap
from app.ui.charts.points import said_verdict
from app.ui.numbers import show
from app.ui.policy import reading
from app.ui.session import client
from app.ui.states import error, loading
from app.ui.still import still
from app.ui.study.parts import method_name
from app.ui.study.tabs import table

COSTS = {
    "trainable_parameters": mark("Fewer parameters"),
    "storage_bytes": mark("Less storage"),
    "peak_memory": mark("Less memory"),
    "training_speed": mark("Faster training"),
    "inference_latency": mark("Faster answers"),
    "switch_time": mark("Faster switching"),
}
"""The costs that efficiency is claimed of, and what more than once means; to be said with `tr`."""

MOST_IN_SIGHT = 12
"""Rows; more of them scroll."""


def panel(matrix: Matrix) -> html.Section:
    """One row per method, in the order of quality; a bar is long where equal ratios are. Rows follow when the panel
    above is drawn."""
    rows = loading(rows=min(len(_rows(matrix)), MOST_IN_SIGHT))
    return html.Section(
        [html.Div(html.H2(_title(matrix)), className="panel-head"), html.Div(rows, id="study-advantage")],
        className="panel",
        **{"data-region": "evidence"},
    )


def _title(matrix: Matrix) -> str:
    reference = matrix.configurations.get(matrix.comparison.reference or 0)
    if reference is None or reference.method == "full":
        return tr("Advantage over full fine-tuning")
    return tr("Advantage over {reference}", reference=reference.label)


def register() -> None:
    """Declare what fills the panel. By each application anew, for Dash gives callbacks to the first that it serves."""
    reading(
        Output("study-advantage", "children"),
        Input("study-below", "data"),
        Input("study-version", "data"),
        State("study-id", "data"),
    )(show_advantage)


async def show_advantage(begun: bool | None, _: str, study: int) -> Any:
    """The rows as they are now."""
    if not begun:
        return no_update
    api = client()
    try:
        view, comparison = await asyncio.gather(api.study(study), api.comparison(study))
    except ApiProblem as problem:
        return error(tr("The comparison could not be read"), problem.detail)
    return content(Matrix(comparison, view.metric))


def content(matrix: Matrix) -> list[Any]:
    """The table with its note, or why there is none yet."""
    costs = [key for key in COSTS if any(matrix.advantage(row.id, key) for row in _rows(matrix))]
    if not costs:
        why = tr("Nothing to compare yet: full fine-tuning and a method with the same cost have to be measured first.")
        return [html.P(why, className="quiet")]
    heads = [
        html.Th(tr("Method")),
        html.Th(tr("Quality minus the reference")),
    ]
    heads += [html.Th(tr(COSTS[key])) for key in costs]
    longest = {key: _longest(matrix, key) for key in costs}
    body = [
        html.Tr(
            [
                html.Th(method_name(row), scope="row"),
                html.Td(_quality(matrix, row)),
                *[html.Td(_times(matrix, row, key, longest[key])) for key in costs],
            ]
        )
        for row in _rows(matrix)
    ]
    note = tr(
        "How many times better than the reference. Parameters and storage are exact; other costs are of one probe"
        " each, so small differences may be noise. Bars are logarithmic; hatched ones are a disadvantage."
    )
    listed = table(html.Tr(heads), body, "study-advantages", label=_title(matrix))
    if len(body) > MOST_IN_SIGHT:
        listed.className = f"{listed.className} study-tall"
    return [html.P(note, className="study-note"), still(listed)]


def _rows(matrix: Matrix) -> list[ConfigurationView]:
    """All but the reference itself and the row that trains nothing."""
    rows = matrix.ordered(QUALITY)
    return [row for row in rows if row.id != matrix.comparison.reference and row.method != "untuned"]


def _longest(matrix: Matrix, key: str) -> float:
    """The largest ratio of a column either way, as a logarithm: the length of a whole bar."""
    found = [abs(log(ratio.value)) for row in _rows(matrix) if (ratio := matrix.advantage(row.id, key)) is not None]
    return max([*found, log(1.05)])


def _quality(matrix: Matrix, row: ConfigurationView) -> Any:
    difference = matrix.differences.get(row.id)
    if difference is None:
        return html.Span("–", title=tr("not tested"), **{"data-label": "missing"})
    word = html.Span(said_verdict(difference.verdict), className=f"verdict verdict-{difference.verdict}")
    return [show(gap(difference, difference.value, "difference")), " ", word]


def _times(matrix: Matrix, row: ConfigurationView, key: str, longest: float) -> Any:
    ratio = matrix.advantage(row.id, key)
    if ratio is None:
        cell = matrix.cell(row.id, key)
        why = cell.missing if cell is not None and cell.missing else tr("not measured, or nothing to divide by")
        return html.Span("–", title=why, **{"data-label": "missing"})
    worse = ratio.value < 1
    share = abs(log(ratio.value)) / longest
    bar = html.Span(
        html.Span(style={"width": f"{100 * share:.1f}%"}),
        className=f"times-bar{' times-worse' if worse else ''}",
        **{"aria-hidden": "true"},
    )
    return [show(ratio), bar]
