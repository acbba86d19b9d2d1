"""The curves of a run: the training loss beside full fine-tuning, the others small below it, and all as a table."""

from typing import Any

import plotly.graph_objects as go
from dash import Input, Output, State, dcc, html, no_update, set_props

from app.client import ApiProblem
from app.language import filled, tr
from app.schemas import Curves, RunDetail, Series
from app.ui.charts.curves import (
    LARGE_PX,
    SMALL_PX,
    TRAIN_LOSS,
    in_order,
    loss_figure,
    point_number,
    small_figure,
    title_of,
)
from app.ui.elements import panel
from app.ui.numbers import show
from app.ui.policy import reading
from app.ui.session import client
from app.ui.states import empty, error
from app.ui.theme import LIGHT, Palette

TABLE_POINTS = 40
GRAPH = {"displayModeBar": False, "responsive": True}


def curves_kind(found: Curves, palette: Palette, *, narrow: bool = False) -> str:
    """What is on screen: where it stays the same, new points change the figures in place."""
    beside = "beside" if found.full is not None else "alone"
    return " ".join(
        [palette.scheme, "narrow" if narrow else "wide", beside, *(series.key for series in in_order(found.series))]
    )


def curves_panels(run: RunDetail, found: Curves, palette: Palette, *, narrow: bool = False) -> Any:
    """All of it anew."""
    series = in_order(found.series)
    if not series:
        return panel(tr("Curves"), empty(tr("No curve yet"), _why_none(run)), className="run-no-curve")
    figures = _figures(run, found, palette, narrow=narrow)
    return _in_place([_panel(place, one, figures[place], run) for place, one in enumerate(series)], series)


def room_for_curves(run: RunDetail, found: Curves) -> Any:
    """The same panels before the browser has said its colours: as high as they will be, so that nothing moves."""
    series = in_order(found.series)
    if not series:
        return curves_panels(run, found, LIGHT)
    return _in_place([_panel(place, one, None, run) for place, one in enumerate(series)], series)


def _in_place(panels: list[html.Section], series: list[Series]) -> list[Any]:
    """The loss large, the others beside each other below it."""
    large = panels[:1] if series[0].key == TRAIN_LOSS else []
    return [*large, html.Div(panels[len(large) :], className="curve-grid"), _table_panel()]


def change_curves(run: RunDetail, found: Curves, palette: Palette, *, narrow: bool = False) -> None:
    """New points into the figures that are on screen."""
    series = in_order(found.series)
    for place, (one, figure) in enumerate(zip(series, _figures(run, found, palette, narrow=narrow), strict=True)):
        set_props(f"run-curve-{place}", {"figure": figure})
        set_props(f"run-curve-last-{place}", {"children": _last(one, run)})
        set_props(f"run-curve-words-{place}", {"children": _sentence(one, run)})
        set_props(f"run-curve-thinned-{place}", {"children": _thinned(one)})


def _why_none(run: RunDetail) -> str:
    if run.status in ("queued", "running"):
        return tr("Curves appear when training starts.")
    return tr("This run trains nothing, or never started.")


def _figures(run: RunDetail, found: Curves, palette: Palette, *, narrow: bool) -> list[go.Figure]:
    return [
        loss_figure(series, found, run, palette, narrow=narrow)
        if series.key == TRAIN_LOSS
        else small_figure(series, run, palette)
        for series in in_order(found.series)
    ]


def _panel(place: int, series: Series, figure: go.Figure | None, run: RunDetail) -> html.Section:
    height = {"height": LARGE_PX if series.key == TRAIN_LOSS else SMALL_PX}
    graph = None if figure is None else dcc.Graph(f"run-curve-{place}", figure=figure, config=GRAPH, style=height)
    words = f"run-curve-words-{place}"
    picture = html.Div(graph, role="img", style=height, **{"aria-labelledby": words, "data-figure": "evidence"})
    sentence = html.Span(_sentence(series, run), id=words, className="unseen")
    last = html.Span(_last(series, run), id=f"run-curve-last-{place}", **{"data-region": "evidence"})
    imported = [html.Span(tr("imported"), className="tag tag-warn")] if run.source == "imported" else []
    head = html.Span([*imported, last], className="row-of")
    thinned = html.P(_thinned(series), id=f"run-curve-thinned-{place}", className="quiet curve-thinned")
    look = "" if series.key == TRAIN_LOSS else "curve-small"
    return panel(title_of(series.key), [picture, sentence, thinned], head, look)


def _thinned(series: Series) -> list[Any]:
    """How many of a long series' points are drawn, and which; nothing where all are."""
    if len(series.points) == series.total:
        return []
    which = tr(
        "The highest and the lowest of each stretch, so that no peak is lost; a line breaks at what was no number."
    )
    said = {"shown": f"{len(series.points):,}", "points": f"{series.total:,}"}
    return [html.Span(tr("{shown} of {points} points shown", **said), title=which, **{"data-label": "points shown"})]


def _last(series: Series, run: RunDetail) -> list[Any]:
    """The newest value; of the large figure also at which step."""
    point = series.points[-1]
    number = point_number(series.key, point, run)
    value = html.B("–" if number is None else show(number))
    if series.key != TRAIN_LOSS:
        return [value]
    step = html.Span(str(point.step), **{"data-id": str(point.step)})
    return filled("step {step}: {value}", step=step, value=value)


def _sentence(series: Series, run: RunDetail) -> str:
    """What a reader who does not see the figure is told."""
    said = {
        "title": title_of(series.key),
        "points": series.total,
        "first": series.points[0].step,
        "last": series.points[-1].step,
    }
    if run.source == "imported":
        return tr("{title}: {points} imported values from step {first} to step {last}.", **said)
    return tr("{title}: {points} measured values from step {first} to step {last}.", **said)


# -- the same values as a table ---------------------------------------------------------------------------------------


def _table_panel() -> html.Div:
    button = html.Button(
        tr("Show the values as a table"),
        id="run-values-button",
        className="button button-plain",
        type="button",
        **{"aria-expanded": "false", "aria-controls": "run-values"},
    )
    return html.Div([button, html.Div(id="run-values", tabIndex="0", className="run-values")])


def values_table(run: RunDetail, found: Curves) -> html.Table:
    """Steps by series, thinned; every value with its source."""
    series = in_order(found.series)
    points = {one.key: {point.step: point for point in one.points} for one in series}
    steps = sorted({step for known in points.values() for step in known})
    head = html.Tr([html.Th(tr("Step"), scope="col"), *(html.Th(title_of(one.key), scope="col") for one in series)])
    rows = [
        html.Tr([html.Th(str(step), scope="row", **{"data-id": str(step)}), *_values(run, points, step)])
        for step in steps
    ]
    return html.Table([html.Thead(head), html.Tbody(rows)], className="plain", **{"data-region": "evidence"})


def _values(run: RunDetail, points: dict[str, dict[int, Any]], step: int) -> list[html.Td]:
    numbers = [point_number(key, known[step], run) if step in known else None for key, known in points.items()]
    return [html.Td("–" if number is None else show(number), className="number") for number in numbers]


def register() -> None:
    """Declare what the button does. By each application anew, for Dash gives callbacks to the first that it serves."""
    reading(
        Output("run-values", "children"),
        Output("run-values-button", "children"),
        Output("run-values-button", "aria-expanded"),
        Input("run-values-button", "n_clicks"),
        State("run-id", "data"),
        prevent_initial_call=True,
    )(toggle_values)


async def toggle_values(clicks: int | None, run_id: int) -> Any:
    """The table as the curves are now, or nothing again."""
    if not clicks:
        return [no_update] * 3
    if clicks % 2 == 0:
        return [], tr("Show the values as a table"), "false"
    api = client()
    try:
        run, found = await api.run(run_id), await api.curves(run_id, TABLE_POINTS, evenly=True)
    except ApiProblem as problem:
        return error(tr("The values could not be read"), problem.detail), no_update, "true"
    return values_table(run, found), tr("Hide the table"), "true"
