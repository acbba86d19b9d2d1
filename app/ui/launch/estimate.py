"""The estimate beside the form: what fits, how many runs, how long and how much room, asked again at every change."""

from collections.abc import Mapping
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, ClientsideFunction, Input, Output, clientside_callback, dcc, html, no_update

from app.client import ApiProblem
from app.language import filled, tr
from app.schemas import LEAST_RATES_HALVED, FieldProblem, RowEstimate, StudyEstimate, WorkerView
from app.ui.elements import facts
from app.ui.launch.baseline import baseline_table
from app.ui.launch.draft import FIELDS, document_of, form_as
from app.ui.launch.figures import (
    Line,
    exact,
    fitting,
    row_figure,
    row_title,
    total_bytes,
    total_cost,
    total_seconds,
    total_tuning,
)
from app.ui.launch.link import draft_fields
from app.ui.launch.opening import Filling
from app.ui.launch.problems import placed, to_fix, unnamed_dataset, with_some_dataset
from app.ui.launch.task import ROLES
from app.ui.numbers import format_value
from app.ui.policy import reading
from app.ui.session import client

MARKED = tuple(f"study-{name}" for name in (*FIELDS, *(f"{role}-column" for role in ROLES)))
"""The fields beside which a refusal is said; hyper-parameters are marked by their own ids."""
GIB = 2**30
CPUS_GIB = (8, 16, 32, 64)
CARDS_GIB = (8, 12, 16, 24, 40, 48, 80)
"""Memory of devices that a person can think of; none of them has to be there."""


def estimate_panel(workers: list[WorkerView], form: Filling) -> html.Section:
    """The panel's frame, with room for an answer that has not come yet."""
    lines = device_lines(workers)
    values = [option["value"] for option in lines]
    chosen = form.line if form.line in values else (values[0] if values else None)
    head = html.Div(
        [html.H3(tr("Estimate")), html.Span(tr("≈ by formula"), className="box box-estimated")], className="panel-head"
    )
    device = dmc.Select(
        id="estimate-line",
        label=tr("Device"),
        value=chosen,
        data=lines,
        allowDeselect=False,
        comboboxProps={"width": 300},
    )
    price = dmc.NumberInput(
        id="study-price",
        label=tr("Price per device-hour, optional"),
        value="",
        min=0,
        decimalScale=4,
        description=tr("Kept in this browser, in the currency you think in."),
    )
    return html.Section(
        [
            head,
            html.Div(dmc.Skeleton(height=96, radius=6), id="study-size", className="estimate-total"),
            device,
            html.Div([], id="estimate-rows", className="estimate-rows"),
            html.Details([html.Summary(tr("Cost in money")), price], className="more"),
            dcc.Store(id="price-per-hour"),
        ],
        id="estimate-panel",
        className="panel estimate",
        **{"aria-label": tr("Estimate")},
    )


def device_lines(workers: list[WorkerView]) -> list[dict[str, str]]:
    """The devices of the workers that are there, then sizes of cards. A worker tells its main memory only."""
    found: dict[str, str] = {}
    for worker in workers:
        memory = worker.device_info.get("memory_bytes")
        if worker.alive and worker.device.startswith("cpu") and isinstance(memory, int):
            said = f"{memory / GIB:.1f}"
            found.setdefault(f"cpu:{memory}", tr("A worker's CPU, {memory} GiB", memory=said))
    for memory in CPUS_GIB if not found else ():
        found[f"cpu:{memory * GIB}"] = tr("A CPU with {memory} GiB", memory=memory)
    for memory in CARDS_GIB:
        found[f"cuda:{memory * GIB}"] = tr("A CUDA device with {memory} GiB", memory=memory)
    return [{"value": value, "label": label} for value, label in found.items()]


async def tell(form: dict[str, Any], line: str | None, price: float | None) -> Any:
    """What the form would cost and what launching it would refuse, all parts of the page at once."""
    document, held = document_of(form), Line(line)
    kept = draft_fields(document) | ({"line": line} if line else {})
    asked: dict[str, Any] = {"study": with_some_dataset(document), "device": held.device, "precision": held.precision}
    if held.memory_bytes is not None:
        asked["device_memory_bytes"] = held.memory_bytes
    try:
        told = await client().estimate_study(asked)
    except ApiProblem as problem:
        if not problem.errors:
            return (_failed(problem.detail), [], no_update, no_update, {}, kept, no_update)
        found = [
            FieldProblem(field=one["field"].removeprefix("study."), message=one["message"]) for one in problem.errors
        ]
        problems = placed(found, document)
        return (_not_yet(document, problems), no_update, no_update, no_update, problems, kept, None)
    problems = placed([*unnamed_dataset(document), *told.problems], document)
    total = [*_total(told, document, held, price), *to_fix(problems)]
    rows = [_row(row, told, document, held) for row in told.rows]
    rates = rate_list(told)
    whole = None if unnamed_dataset(document) else document
    return (total, rows, baseline_table(told, document, held), rates, problems, kept, whole)


def _not_yet(document: Mapping[str, Any], problems: dict[str, Any]) -> list[Any]:
    said = tr("Choose at least one method.") if not document["methods"] else tr("Complete what is marked to see it.")
    return [html.P(said, className="quiet"), *to_fix(problems)]


def _failed(detail: str) -> list[Any]:
    return [html.Div([html.B(tr("The estimate could not be made.")), " ", detail], className="note note-warn")]


def _total(told: StudyEstimate, document: Mapping[str, Any], line: Line, price: float | None) -> list[Any]:
    if not told.rows:
        return [html.P(tr("Nothing can be run: this base model cannot do this kind of task."), className="quiet")]
    fits = filled(
        "{fitting} of {rows} fit",
        fitting=fitting(told, line),
        rows=exact(len(told.rows), f"study_rows(rows {len(told.rows)})"),
    )
    big = [
        html.Div(filled("{count} runs", count=runs_figure(told, document)), className="estimate-big"),
        *([html.Div(fits, className="estimate-big")] if told.fitting is not None else []),
    ]
    said = {tr("Time on one device"): total_seconds(told), tr("Files"): total_bytes(told)}
    if document["tuning"] == "halving":
        said[tr("Tuning")] = total_tuning(told)
    if price:
        said[tr("Cost")] = total_cost(told, price)
    why = [] if told.train_seconds is not None else [html.P(_no_time(told), className="quiet")]
    return [html.Div([html.Div(big, className="estimate-head"), facts(said), *why], **{"data-region": "evidence"})]


def _no_time(told: StudyEstimate) -> str:
    if told.train_items is None and any(row.estimate and row.estimate.total_steps is None for row in told.rows):
        return tr("Time: not known until the dataset can be read.")
    return tr("Time: no speed has been measured on such a device yet. The first probe that ends well gives one.")


def runs_figure(told: StudyEstimate, document: Mapping[str, Any]) -> html.Span:
    """How many runs the study queues, the sum spelled out."""
    seeds = document["seeds"] if isinstance(document["seeds"], int) else len(document["seeds"])
    grid = tuning_runs(document["grid_points"], document["tuning"])
    untuned = sum(row.method == "untuned" for row in told.rows)
    tuned = len(told.rows) - untuned
    own = told.runs - tuned * (grid + seeds + 1) - untuned * (seeds + 1)
    return exact(told.runs, f"queued_runs(tuned {tuned}, grid {grid}, seeds {seeds}, untuned {untuned}, own {own})")


def tuning_runs(rates: int, tuning: str) -> int:
    """A single learning rate is taken as it is; of a first rung's the better half have another run each."""
    again = rates // 2 if tuning == "halving" and rates >= LEAST_RATES_HALVED else 0
    return rates + again if rates > 1 else 0


def _row(row: RowEstimate, told: StudyEstimate, document: Mapping[str, Any], line: Line) -> html.Div:
    """One row of the study against the device line: its peak memory as a bar, a word, and what else it takes."""
    mark = html.Span(className=f"family family-{row.family}", **{"aria-hidden": "true"})
    peak = row_figure(row, "peak_memory_bytes", document, line, told)
    head = html.Div(
        [html.Span([mark, row_title(row)]), html.Span([peak, _fits(row)])],
        className="estimate-row-head",
    )
    figures = {
        "parameters": row_figure(row, "trainable_parameters", document, line, told),
        "files": row_figure(row, "storage_bytes", document, line, told),
        "time": row_figure(row, "train_seconds", document, line, told),
    }
    timed = row.estimate is not None and row.estimate.train_seconds is not None
    said = (
        filled("{parameters} trained · {files} kept · {time} a run", **figures)
        if timed
        else filled("{parameters} trained · {files} kept", **figures)
    )
    parts = [head, *_bar(row, line), html.P(said, className="quiet")]
    return html.Div(parts, className="estimate-row", **{"data-region": "evidence"})


def _fits(row: RowEstimate) -> Any:
    """Icon and word, never colour alone; what would fit on hover and for a screen reader."""
    if row.estimate is None or row.estimate.fits is None:
        return None
    if row.estimate.fits:
        icon = html.Span(className="icon icon-check", **{"aria-hidden": "true"})
        return html.Span([icon, tr("fits")], className="tag fits")
    icon = html.Span(className="icon icon-cross", **{"aria-hidden": "true"})
    return html.Span([icon, tr("does not fit")], className="tag tag-bad fits")


def _bar(row: RowEstimate, line: Line) -> list[Any]:
    """The device's memory is the line at three quarters of the bar."""
    if row.estimate is None or line.memory_bytes is None:
        return []
    share = min(1.0, 0.75 * row.estimate.peak_memory_bytes / line.memory_bytes)
    filled_part = html.Div(
        className="fill" if row.estimate.fits else "fill fill-over", style={"width": f"{100 * share:.1f}%"}
    )
    return [
        html.Div([filled_part, html.Div(className="device-line")], className="memory-bar", **{"aria-hidden": "true"})
    ]


def rate_list(told: StudyEstimate) -> Any:
    """The learning rates that each row tries."""
    entries = [
        html.Li(
            [
                row_title(row),
                ": ",
                ", ".join(format_value(rate, "learning_rate") for rate in row.learning_rates),
            ]
        )
        for row in told.rows
        if row.learning_rates
    ]
    return html.Details(
        [html.Summary(tr("The learning rates of each row")), html.Ul(entries, className="note-list")], className="more"
    )


def register() -> None:
    """Declare what the panel does. By each application anew, for Dash gives callbacks to the first that it serves."""
    computing = "panel estimate computing"
    reading(
        output=(
            Output("study-size", "children"),
            Output("estimate-rows", "children"),
            Output("baseline", "children"),
            Output("study-rates", "children"),
            Output("study-problems", "data"),
            Output("study-address", "data"),
            Output("study-document", "data"),
        ),
        inputs={
            "form": form_as(Input),
            "line": Input("estimate-line", "value"),
            "price": Input("price-per-hour", "data"),
        },
        running=[(Output("estimate-panel", "className"), computing, "panel estimate")],
    )(tell)
    clientside_callback(
        ClientsideFunction("launch", "price"),
        Output("study-price", "value"),
        Output("price-per-hour", "data"),
        Input("study-price", "value"),
        Input("price-per-hour", "id"),
    )
    outputs = [Output(component, "error") for component in MARKED]
    clientside_callback(
        f"(problems, mapping, ids) => dash_clientside.launch.beside(problems, mapping, {list(MARKED)}, ids)",
        *outputs,
        Output({"type": "hyperparameter", "method": ALL, "field": ALL}, "error"),
        Input("study-problems", "data"),
        Input("mapping-problems", "data"),
        Input({"type": "hyperparameter", "method": ALL, "field": ALL}, "id"),
    )
