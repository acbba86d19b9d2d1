"""Run: how far it is, its curves, what went wrong, what it changed and measured, and its log."""

import json
from typing import Any

from dash import Input, Output, State, callback, dcc, html, no_update, register_page

from app.client import ApiProblem
from app.schemas import LogLine, RunDetail, Series
from app.ui.charts.curves import TITLES, curve, point_source
from app.ui.elements import facts, page_head, panel, progress_bar, progress_words, status_tag
from app.ui.numbers import format_value
from app.ui.run.diagnosis import diagnosis_panel
from app.ui.run.measured import measured_panel
from app.ui.run.spectrum import layer_shown, spectrum_panel
from app.ui.session import client
from app.ui.states import empty, error, loading
from app.ui.theme import Palette, palette

register_page(__name__, path_template="/runs/<run_id>", name="Run", title="Run · PEFT Atlas")

REFRESH_MILLISECONDS = 1_500
SERIES_ORDER = list(TITLES)


def layout(run_id: str = "", **_query: str) -> Any:
    """The frame; everything that changes comes with the ticks, which stop when the run has ended."""
    if not run_id.isdigit():
        return empty("No such run", "The address does not name a run.", [("Queue", "/runs")])
    return html.Div(
        [
            dcc.Store(id="run-id", data=int(run_id)),
            dcc.Interval(id="run-tick", interval=REFRESH_MILLISECONDS),
            html.Div(loading(3), id="run-head"),
            html.Div(id="run-asked", className="problem"),
            html.Div(
                [
                    html.Div(
                        [html.Div(id="run-curves", className="run-column"), html.Div(id="run-spectrum")],
                        className="run-column",
                    ),
                    html.Div(
                        [
                            html.Div(id="run-diagnosis"),
                            html.Div(id="run-measured"),
                            panel("Log", html.Pre(id="run-log", className="log")),
                            html.Div(id="run-spec"),
                        ],
                        className="run-column",
                    ),
                ],
                className="run-grid",
            ),
        ]
    )


@callback(
    Output("run-head", "children"),
    Output("run-curves", "children"),
    Output("run-diagnosis", "children"),
    Output("run-measured", "children"),
    Output("run-log", "children"),
    Output("run-spec", "children"),
    Output("run-tick", "disabled"),
    Input("run-tick", "n_intervals"),
    Input("scheme-now", "data"),
    Input("run-asked", "children"),
    State("run-id", "data"),
    # A tick while an answer is under way would make the browser drop that answer: on a busy machine, every one.
    running=[(Output("run-tick", "max_intervals"), 0, -1)],
)
async def refresh(_ticks: int | None, scheme: str | None, _asked: Any, run_id: int) -> Any:
    """The run as it is now."""
    api = client()
    try:
        run = await api.run(run_id)
        series = [await api.series(run_id, key) for key in run.series]
        found = await api.diagnosis(run_id)
        lines = (await api.log(run_id)).items
        metrics = {card.key: card for card in await api.metrics()}
    except ApiProblem as problem:
        shown = error("The run could not be read", problem.detail)
        return shown, *[no_update] * 5, problem.status == 404
    ended = run.status not in ("queued", "running")
    return (
        _head(run),
        _curves(run, series, palette(scheme)),
        diagnosis_panel(run, found),
        measured_panel(run, metrics),
        _log(lines),
        _spec(run),
        ended,
    )


@callback(Output("run-spectrum", "children"), Input("run-tick", "disabled"), State("run-id", "data"))
async def show_spectrum(ended: bool | None, run_id: int) -> Any:
    """What the run has changed, once it has ended."""
    if not ended:
        return no_update
    try:
        return spectrum_panel(await client().spectrum(run_id))
    except ApiProblem as problem:
        return panel("Update spectrum", html.P(problem.detail, className="quiet"))


@callback(
    Output("run-layer-shown", "children"),
    Input("run-layer", "value"),
    Input("scheme-now", "data"),
    State("run-id", "data"),
)
async def show_layer(layer: str | None, scheme: str | None, run_id: int) -> Any:
    """The chosen layer."""
    if layer is None:
        return no_update
    try:
        found = await client().spectrum(run_id, layer)
    except ApiProblem as problem:
        return error("The layer could not be read", problem.detail)
    return layer_shown(found.shown, palette(scheme), run_id) if found.shown else []


def _head(run: RunDetail) -> list[Any]:
    above = html.Div(
        [
            dcc.Link("Studies", href="/studies"),
            " / ",
            dcc.Link(run.study_name, href=f"/studies/{run.study_id}"),
            f" / Run {run.id}",
        ],
        className="breadcrumb",
    )
    title = f"{run.label}, seed {run.seed}"
    kind = {"tune": "tuning: validation only", "report": "reporting: test split", "probe": "cost probe, alone"}[
        run.purpose
    ]
    answer = html.Span([status_tag(run.status), " ", html.Span(kind, className="tag tag-plain")], className="row-of")
    parts: list[Any] = [page_head(title, answer, [_button(run)], above)]
    if run.reason:
        parts.append(
            html.Div(
                [html.B("Why: "), run.reason], className="note note-bad" if run.status == "failed" else "note note-warn"
            )
        )
    return [*parts, _progress(run)]


def _button(run: RunDetail) -> Any:
    if run.status in ("queued", "running"):
        words = "Stopping" if run.cancel_requested else "Cancel run"
        return html.Button(words, id="run-act", className="button button-plain", disabled=run.cancel_requested)
    if run.status in ("failed", "cancelled") and run.source == "measured":
        return html.Button("Retry", id="run-act", className="button")
    return html.Span(id="run-act")


def _progress(run: RunDetail) -> html.Section:
    if run.status == "queued":
        waits = "for its learning rate, which its tuning runs choose" if run.learning_rate is None else "for a worker"
        return html.Section(html.P(f"Waiting {waits}."), className="panel run-progress")
    left = f"{format_value(run.eta_seconds, 'seconds')} left" if run.eta_seconds is not None else ""
    shown = {
        "Downloaded" if run.phase == "downloading" else "Step": progress_words(run),
        "Phase": run.phase or run.status,
        "Learning rate": format_value(run.learning_rate, "learning_rate") if run.learning_rate else "none",
        "Attempt": str(run.attempt),
        "Worker": run.worker or "–",
        "Left": left or "–",
    }
    return html.Section([facts(shown), progress_bar(run)], className="panel run-progress")


def _curves(run: RunDetail, series: list[Series], colours: Palette) -> Any:
    drawn = [found for found in series if len(found.points) > 1]
    if not drawn:
        why = (
            "Curves appear when training starts."
            if run.status in ("queued", "running")
            else "This run trains nothing, or never started."
        )
        return panel("Curves", empty("No curve yet", why))
    ordered = sorted(
        drawn, key=lambda found: SERIES_ORDER.index(found.key) if found.key in SERIES_ORDER else len(SERIES_ORDER)
    )
    first, *others = [_curve_panel(found, colours, run.id) for found in ordered]
    return [first, html.Div(others, className="curve-grid")]


def _curve_panel(series: Series, colours: Palette, run_id: int) -> html.Section:
    last = series.points[-1]
    title = TITLES.get(series.key, series.key)
    shown = "–" if last.value is None else format_value(last.value, "series")
    source = point_source(series.key, last, run_id)
    attributes = {f"data-{name}": value for name, value in source.items()}
    figure = dcc.Graph(
        figure=curve(series, colours, run_id=run_id), config={"displayModeBar": False}, style={"height": 190}
    )
    words = f"{title} over {len(series.points)} points, last {shown}"
    return panel(
        title,
        html.Div(figure, role="img", **{"aria-label": words, "data-figure": "evidence"}),
        html.B(html.Span(shown, **attributes), **{"data-region": "evidence"}),
    )


def _log(lines: list[LogLine]) -> str:
    return "\n".join(f"{line.at:%H:%M:%S}  {line.message}" for line in lines) or "No line yet."


def _spec(run: RunDetail) -> Any:
    files = [
        html.Tr(
            [
                html.Td(html.A(file.path, href=f"/api/v1/runs/{run.id}/artifacts/{file.id}")),
                html.Td(format_value(file.size_bytes, "bytes"), className="number"),
            ]
        )
        for file in run.artifacts
    ]
    parts: list[Any] = []
    if files:
        parts.append(
            panel(
                "Files",
                html.Table(html.Tbody(files), className="plain"),
                html.Span("click to download", className="quiet"),
            )
        )
    if run.environment:
        parts.append(
            panel("Environment", facts({name.replace("_", " "): str(value) for name, value in run.environment.items()}))
        )
    if run.spec:
        parts.append(panel("Specification", html.Pre(json.dumps(run.spec, indent=2), className="spec mono")))
    return html.Div(parts, className="run-column")


@callback(
    Output("run-asked", "children"),
    Output("run-tick", "n_intervals"),
    Input("run-act", "n_clicks"),
    State("run-id", "data"),
    prevent_initial_call=True,
)
async def act(clicks: int | None, run_id: int) -> Any:
    """Cancel what waits or runs, retry what failed."""
    if not clicks:
        return no_update, no_update
    api = client()
    try:
        run = await api.run(run_id)
        if run.status in ("queued", "running"):
            await api.cancel_run(run_id)
            return html.Div("Asked to stop; what was measured stays.", className="note note-warn", role="status"), 0
        again = await api.retry_run(run_id)
    except ApiProblem as problem:
        return html.Div(problem.detail, className="note note-bad", role="alert"), no_update
    link = dcc.Link(f"run {again.id}", href=f"/runs/{again.id}")
    return html.Div(["Queued again as ", link, "."], className="note note-warn", role="status"), no_update
