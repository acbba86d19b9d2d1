"""The panel "Trade-offs": two or three metrics of the study against each other, and who is on the front."""

import asyncio
from dataclasses import asdict, replace
from typing import Any

import dash_mantine_components as dmc
from dash import Input, Output, State, ctx, dcc, html, no_update

from app.client import ApiProblem
from app.language import tr
from app.schemas import Axis, Pareto, StudyView
from app.ui.cells import Matrix
from app.ui.charts.pareto import pareto
from app.ui.figure_files import save_buttons
from app.ui.policy import reading
from app.ui.session import client
from app.ui.states import empty, error, loading
from app.ui.still import stilled
from app.ui.study.address import keep_in_address
from app.ui.study.front_words import draws_note, front_sentence, front_table, left_out, spoken
from app.ui.study.shown import Shown, drawn, image, in_place
from app.ui.study.trade_off import AXIS_TITLES, LEAST_METRICS, TradeOff, full_title, measured
from app.ui.theme import Palette, palette

NOT_VALID = 422


def panel(matrix: Matrix, asked: TradeOff) -> html.Section:
    """The panel with its controls; the figure follows when the browser has said its colours and width."""
    return html.Section(
        [
            dcc.Store(id="front-shown"),
            dcc.Store(id="front-asked", data=asdict(asked)),
            dcc.Store(id="front-address"),
            html.Div([html.H2(tr("Trade-offs")), _controls(matrix, asked)], className="panel-head front-head"),
            html.Div(loading(rows=12), id="front-body"),
        ],
        className="panel",
        id="study-front",
        **{"data-region": "evidence"},
    )


def _controls(matrix: Matrix, asked: TradeOff) -> html.Div:
    chosen: dict[Axis, str | None] = {"x": asked.x, "y": asked.y, "z": asked.z}
    selects = [
        dmc.Select(
            id=f"front-{axis}",
            label=tr(title),
            data=options(matrix, asked),
            value=chosen[axis],
            allowDeselect=False,
            clearable=axis == "z",
            placeholder=tr("one size") if axis == "z" else tr("choose a metric"),
            size="xs",
        )
        for axis, title in AXIS_TITLES.items()
    ]
    floor = dmc.NumberInput(
        id="front-floor",
        label=tr("Quality floor, % of gain"),
        value="" if asked.floor is None else float(f"{100 * asked.floor:.6g}"),
        placeholder=tr("no floor"),
        min=0,
        max=100,
        step=5,
        clampBehavior="strict",
        size="xs",
        debounce=400,
    )
    return html.Div([*selects, floor], className="front-fields")


def options(matrix: Matrix, asked: TradeOff) -> list[dict[str, str]]:
    """The measured metrics by their whole names, and what is asked about although nothing has measured it yet."""
    known = [card for card in matrix.comparison.metrics if card.key in (asked.x, asked.y, asked.z)]
    cards = {card.key: card for card in [*measured(matrix), *known]}
    return [{"value": key, "label": full_title(matrix, card)} for key, card in cards.items()]


def front_view(found: Pareto, headline: str, colours: Palette, *, narrow: bool) -> Shown:
    """The figure of a trade-off with its sentence, its omissions and its table."""
    draw = pareto(found, colours, headline=headline, narrow=narrow)
    parts = {
        "front-sentence": stilled(front_sentence(found, headline)),
        "front-note": stilled(draws_note(found, headline)),
        "front-legend": stilled(legend(found, headline)),
        "front-left-out": stilled(left_out(found)),
        "front-table": stilled(front_table(found, headline)),
    }
    children = html.Div(
        [
            html.P(id="front-sentence", className="panel-answer", **parts["front-sentence"]),
            html.P(id="front-note", className="study-note", **parts["front-note"]),
            image("front-figure", draw, "front-sentence"),
            html.Div(id="front-legend", className="legend", **parts["front-legend"]),
            save_buttons("front-figure", f"study-{found.study}-trade-off"),
            html.Div(id="front-left-out", className="left-out-box", **parts["front-left-out"]),
            html.Details(
                [html.Summary(tr("The same numbers as a table")), html.Div(id="front-table", **parts["front-table"])],
                className="more",
            ),
        ]
    )
    updates = {**parts, **drawn("front-figure", draw)}
    return Shown("narrow figure" if narrow else "figure", children, updates)


def legend(found: Pareto, headline: str) -> list[html.Span]:
    """What the marks mean."""
    line = [_mark("step", tr("front of the means"))] if "z" not in found.axes else []
    third = found.axes.get("z")
    size = [html.Span(tr("larger marker: better {metric}", metric=spoken(third, headline)))] if third else []
    floor = tr("quality floor: the least share of the reference's gain")
    return [
        _mark("filled", tr("on the front in half of the draws or more")),
        _mark("hollow", tr("in fewer")),
        _mark("whisker", tr("interval over {what}", what=_interval_covers(found))),
        html.Span(tr("triangle at an edge: off the scale")),
        *line,
        *size,
        *([_mark("dash", floor)] if found.floor is not None else []),
    ]


def _mark(kind: str, words: str) -> html.Span:
    return html.Span([html.I(className=f"mark mark-{kind}"), words])


def _interval_covers(found: Pareto) -> str:
    """Seeds, or the test items of a single run."""
    runs = {
        len(point.numbers[axis].run_ids)
        for point in found.points
        for axis in found.axes
        if f"{axis}_lo" in point.numbers
    }
    if max(runs, default=2) == 1:
        return tr("test items")
    return tr("seeds or test items") if 1 in runs else tr("seeds")


def no_points(found: Pareto, view: StudyView) -> html.Div:
    """Why nothing can be drawn, and what to do."""
    queue = [(tr("Open the queue"), f"/runs?study_id={view.id}")]
    if found.floor is not None:
        why = tr("No method that has these metrics reaches the quality floor. Lower it, or choose other metrics.")
        head = empty(tr("Nothing above the floor"), why)
    elif view.status in ("queued", "running"):
        why = tr("A method appears here as soon as it has every chosen metric: quality after its first reporting run.")
        head = empty(tr("No method has all of these metrics yet"), why, queue)
    else:
        why = tr("Choose other metrics; below is what each method lacks.")
        head = empty(tr("No method has all of these metrics"), why)
    return html.Div([head, html.Div(left_out(found), className="left-out-box")])


def too_few(view: StudyView) -> html.Div:
    """A study of which fewer than two metrics are measured."""
    queue = [(tr("Open the queue"), f"/runs?study_id={view.id}")]
    if view.status in ("queued", "running"):
        why = tr("The first methods appear when two metrics are measured.")
        return empty(tr("Nothing to trade off yet"), why, queue)
    why = tr("A trade-off needs two metrics, and fewer were measured here.")
    return empty(tr("Nothing to trade off"), why, queue)


def problem_view(problem: ApiProblem) -> html.Div:
    """A question that cannot be answered says why; anything else can be tried again."""
    if problem.status == NOT_VALID:
        return html.Div(problem.detail, className="note note-warn", role="status")
    return error(tr("The trade-off could not be read"), problem.detail)


def register() -> None:
    """Declare what the panel does. By each application anew, for Dash gives callbacks to the first that it serves."""
    keep_in_address("front-address")
    reading(
        Output("front-body", "children"),
        Output("front-shown", "data"),
        Output("front-asked", "data"),
        Output("front-address", "data"),
        *[Output(f"front-{axis}", "value") for axis in AXIS_TITLES],
        *[Output(f"front-{axis}", "data") for axis in AXIS_TITLES],
        *[Input(f"front-{axis}", "value") for axis in AXIS_TITLES],
        Input("front-floor", "value"),
        Input("scheme-now", "data"),
        Input("narrow-now", "data"),
        Input("study-version", "data"),
        Input("study-below", "data"),
        State("study-id", "data"),
        State("front-asked", "data"),
        State("front-shown", "data"),
    )(show_front)


async def show_front(
    x: str,
    y: str,
    z: str | None,
    floor: float | str | None,
    scheme: str | None,
    narrow: bool | None,
    _: str,
    begun: bool | None,
    study: int,
    before: dict[str, Any],
    shown: str | None,
) -> Any:
    """The trade-off as asked, once the browser has said its colours and width, and the panel above is drawn."""
    if scheme is None or narrow is None or not begun:
        return [no_update] * 10
    changed = next((axis for axis in AXIS_TITLES if f"front-{axis}.value" in ctx.triggered_prop_ids), None)
    asked = answered(TradeOff(**before), {"x": x, "y": y, "z": z}, floor, changed)
    own = [asdict(asked), no_update, asked.x, asked.y, asked.z, *[no_update] * 3]
    api = client()
    try:
        view, comparison = await asyncio.gather(api.study(study), api.comparison(study))
    except ApiProblem as problem:
        return [problem_view(problem), "error", *own]
    matrix = Matrix(comparison, view.metric)
    own = [asdict(asked), asked.query(matrix), asked.x, asked.y, asked.z, *[options(matrix, asked)] * 3]
    try:
        found = await api.pareto(study, **asdict(asked)) if len(measured(matrix)) >= LEAST_METRICS else None
    except ApiProblem as problem:
        return [problem_view(problem), "error", *own]
    return [*in_place(_answer(found, view, palette(scheme), narrow=narrow), shown), *own]


def answered(
    before: TradeOff, values: dict[Axis, str | None], floor: float | str | None, changed: Axis | None
) -> TradeOff:
    """What is asked after a control has changed. changed: the axis that was, None where none was. floor: in percent,
    as its field holds it."""
    moved = before if changed is None else before.moved(changed, values[changed])
    return replace(moved, floor=None if floor in (None, "") else float(floor or 0) / 100)


def _answer(found: Pareto | None, view: StudyView, colours: Palette, *, narrow: bool) -> Shown:
    if found is None:
        return Shown("nothing", too_few(view))
    if not found.points:
        return Shown("nothing", no_points(found, view))
    return front_view(found, view.metric, colours, narrow=narrow)
