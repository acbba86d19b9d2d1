"""A run against another: what differs first, what is equal folded away."""

import json
from typing import Any

import dash_mantine_components as dmc
from dash import Input, Output, State, clientside_callback, html, no_update

from app.client import ApiProblem, AtlasClient
from app.language import mark, tr, trn
from app.schemas import MetricCard, Number, RunDetail, RunView
from app.ui.cells import QUALITY
from app.ui.elements import panel
from app.ui.numbers import format_value, show
from app.ui.policy import reading
from app.ui.run.difference import Field, Group, compare_runs
from app.ui.session import client
from app.ui.states import error

GROUPS: dict[Group, str] = {
    "hyperparameters": mark("Hyper-parameters"),
    "configuration": mark("Specification"),
    "environment": mark("Environment and versions"),
    "results": mark("Results"),
}
KINDS = {"tune": mark("tuning"), "report": mark("reporting"), "probe": mark("cost probe")}
MOST_CHOICES = 500
# Without a navigation, which would mount the page anew under the person's hand.
IN_ADDRESS = """(other) => {
    const address = new URL(window.location.href);
    if (!address.pathname.startsWith('/runs/')) return window.dash_clientside.no_update;
    if (other) address.searchParams.set('against', other); else address.searchParams.delete('against');
    window.history.replaceState(null, '', address);
    return window.dash_clientside.no_update;
}"""


def against_panel(runs: list[RunView], asked: str | None) -> html.Section:
    """A choice among the runs of the study, a field for any other, and room for what differs."""
    listed = {str(run.id) for run in runs}
    choice = dmc.Select(
        id="run-against",
        data=[{"value": str(run.id), "label": run_words(run)} for run in runs],
        value=asked if asked in listed else None,
        placeholder=tr("A run of this study"),
        searchable=True,
        clearable=True,
        size="xs",
        className="run-against",
        attributes={"input": {"aria-label": tr("Compare with a run of this study")}},
    )
    number = dmc.TextInput(
        id="run-against-id",
        value=asked if asked and asked not in listed else "",
        placeholder=tr("or run id"),
        debounce=400,
        size="xs",
        w=90,
        attributes={"input": {"aria-label": tr("or the id of any run"), "inputMode": "numeric"}},
    )
    return panel(
        tr("Against another run"),
        html.Div(html.P(_invitation(), className="quiet"), id="run-against-shown"),
        html.Div([choice, number], className="row-of"),
        "run-against-panel",
    )


def _invitation() -> str:
    return tr("Choose a run to see what differs: settings, environment, versions, results.")


def run_words(run: RunView) -> str:
    """A run as a list names it."""
    name = tr("{label}, seed {seed}", label=run.label, seed=run.seed)
    rate = [] if run.learning_rate is None else [format_value(run.learning_rate, "learning_rate")]
    return " · ".join([str(run.id), name, *rate, tr(KINDS[run.purpose])])


def differences(here: RunDetail, there: RunDetail, metrics: dict[str, MetricCard]) -> list[Any]:
    """The table of what differs, by group, and the fields that are equal behind a fold."""
    fields = compare_runs(here, there)
    differing = [field for field in fields if field.differs]
    equal = [field for field in fields if not field.differs]
    head = html.Thead(
        html.Tr(
            [
                html.Th(title, scope="col")
                for title in (tr("Field"), _name(here), html.A(_name(there), href=f"/runs/{there.id}"))
            ]
        )
    )
    bodies = [html.Tbody(_group(group, differing, here, there, metrics)) for group in GROUPS]
    table = html.Table([head, *bodies], className="plain run-differences")
    found = html.Div(table, className="table-scroll", tabIndex="0")
    words = trn("{count} field differs.", "{count} fields differ.", len(differing))
    return [html.P(words, className="run-against-answer"), found, *_equal(equal)]


def _name(run: RunDetail) -> str:
    return tr("Run {run}: {label}, seed {seed}", run=run.id, label=run.label, seed=run.seed)


def _group(
    group: Group, fields: list[Field], here: RunDetail, there: RunDetail, metrics: dict[str, MetricCard]
) -> list[html.Tr]:
    rows = [_row(field, here, there, metrics) for field in fields if field.group == group]
    title = html.Tr(html.Th(tr(GROUPS[group]), colSpan=3, scope="colgroup", className="run-group"))
    return [title, *rows] if rows else []


def _row(field: Field, here: RunDetail, there: RunDetail, metrics: dict[str, MetricCard]) -> html.Tr:
    if field.group != "results":
        return html.Tr([html.Td(html.Code(field.name)), html.Td(_plain(field.here)), html.Td(_plain(field.there))])
    card = metrics.get(field.name)
    title = html.Td(card.title if card else field.name.replace("_", " "), **{"data-label": field.name})
    cells = [_figure(run, field.name, value, card) for run, value in ((here, field.here), (there, field.there))]
    return html.Tr([title, *cells], **{"data-region": "evidence"})


def _figure(run: RunDetail, metric: str, value: float | None, card: MetricCard | None) -> html.Td:
    if value is None:
        return html.Td("–")
    quantity = "seconds" if metric == "train_seconds" else card.quantity if card else "series"
    if metric in (QUALITY, "validation_score"):
        quantity = run.score_quantity
    number = Number(
        value=value, quantity=quantity, statistic="value", metric=metric, source=run.source, run_ids=[run.id]
    )
    return html.Td(show(number))


def _plain(value: Any) -> Any:
    if value is None:
        return html.Span(tr("not set"), className="quiet")
    return value if isinstance(value, str) else json.dumps(value)


def _equal(fields: list[Field]) -> list[Any]:
    if not fields:
        return []
    rows = [html.Tr([html.Td(html.Code(field.name)), html.Td(_plain(field.here))]) for field in fields]
    words = trn("{count} field is equal", "{count} fields are equal", len(fields))
    table = html.Div(html.Table(html.Tbody(rows), className="plain"), className="table-scroll", tabIndex="0")
    return [html.Details([html.Summary(words), table], className="more")]


def register() -> None:
    """Declare what the panel does. By each application anew, for Dash gives callbacks to the first that it serves."""
    reading(
        Output("run-against-shown", "children"),
        Output("run-against-asked", "data"),
        Input("run-against", "value"),
        Input("run-against-id", "value"),
        State("run-id", "data"),
    )(show_differences)
    clientside_callback(
        IN_ADDRESS, Output("run-against-asked", "id"), Input("run-against-asked", "data"), prevent_initial_call=True
    )


async def show_differences(listed: str | None, typed: str | None, run_id: int) -> Any:
    """The run that was typed, else the one that was chosen; also written into the address."""
    asked = (typed or "").strip() or listed
    if not asked:
        return html.P(_invitation(), className="quiet"), None
    if not (asked.isascii() and asked.isdigit() and len(asked) < 19):
        return html.P(tr("“{words}” is not the number of a run.", words=asked[:40]), className="quiet"), no_update
    try:
        return await _differences(client(), run_id, int(asked)), asked
    except ApiProblem as problem:
        return error(tr("The runs could not be compared"), problem.detail), asked


async def _differences(api: AtlasClient, run_id: int, other: int) -> list[Any]:
    if other == run_id:
        return [html.P(tr("This is the run itself. Choose another."), className="quiet")]
    here, there = await api.run(run_id), await api.run(other)
    metrics = {card.key: card for card in await api.metrics()}
    return differences(here, there, metrics)
