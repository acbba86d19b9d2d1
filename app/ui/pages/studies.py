"""Every study, newest first: what was compared on what, how far it is, and what it shows."""

from typing import Any

import dash_mantine_components as dmc
from dash import Input, Output, callback, dcc, html, register_page

from app.client import ApiProblem
from app.schemas import StudyView
from app.ui.elements import short_name
from app.ui.sentences import sentence
from app.ui.session import client
from app.ui.states import empty, error
from app.ui.study.head import ended_runs, tags

register_page(__name__, path="/studies", name="Studies", title="Studies · PEFT Atlas")

TICK_MS = 3_000
PAGE = 100


async def layout(**_: str) -> html.Div:
    search = dmc.TextInput(
        id="studies-search",
        placeholder="Find by name",
        debounce=300,
        size="sm",
        attributes={"input": {"aria-label": "Find by name"}},
    )
    return html.Div(
        [
            html.Header(
                [
                    html.Div(
                        [
                            html.H1("Studies"),
                            html.P("Each compares methods on one base model and one task.", className="quiet"),
                        ]
                    ),
                    html.Div(
                        [
                            search,
                            dcc.Link("Import results", href="/import", className="button button-plain"),
                            dcc.Link("New study", href="/studies/new", className="button"),
                        ],
                        className="page-actions",
                    ),
                ],
                className="page-head",
            ),
            dcc.Interval(id="studies-tick", interval=TICK_MS),
            html.Div(await _found(""), id="studies-list"),
        ]
    )


@callback(
    Output("studies-list", "children"),
    Input("studies-search", "value"),
    Input("studies-tick", "n_intervals"),
    prevent_initial_call=True,
)
async def refresh(query: str | None, _: int | None) -> Any:
    return await _found(query or "")


async def _found(query: str) -> Any:
    try:
        page = await client().studies(q=query[:200] or None, limit=PAGE)
    except ApiProblem as problem:
        return error("The studies could not be read", problem.detail)
    if not page.items and query:
        return empty("No study of that name", "No study's name contains these words.")
    if not page.items:
        why = "Pick methods, a base model and a task; the comparison appears here."
        return empty("No study yet", why, [("New study", "/studies/new"), ("Import published results", "/import")])
    more = [html.P("Older studies are found by name.", className="study-note")] if page.next_cursor else []
    return html.Div([html.Ul([_entry(study) for study in page.items], className="study-list"), *more])


def _entry(view: StudyView) -> html.Li:
    document = view.document
    task = document.task if isinstance(document.task, str) else short_name(document.task.dataset)
    base = short_name(document.base_model)
    counts = view.counts
    total = ended_runs(counts) + counts.queued + counts.running
    when = html.Time(f"{view.created_at:%Y-%m-%d %H:%M} UTC", dateTime=view.created_at.isoformat())
    return html.Li(
        [
            html.Div(
                [
                    html.Div(
                        [dcc.Link(view.name, href=f"/studies/{view.id}", className="study-link"), *tags(view)],
                        className="study-title",
                    ),
                    html.P(sentence(view.finding), className="study-finding", **{"data-region": "evidence"}),
                    html.P([f"{base} on {task} · ", when], className="label"),
                ]
            ),
            _progress(view, total),
        ],
        className="panel study-entry",
    )


def _progress(view: StudyView, total: int) -> html.Div:
    """One bar in the colours of what became of the runs; the words say the same."""
    counts = view.counts
    parts = {name: getattr(counts, name) for name in ("succeeded", "failed", "cancelled", "running", "queued")}
    bar = [
        html.Span(className=f"run-share run-{name}", style={"flexGrow": share})
        for name, share in parts.items()
        if share
    ]
    words = ", ".join(f"{share} {name}" for name, share in parts.items() if share) or "no runs"
    return html.Div(
        [
            html.Div(bar, className="run-bar", **{"aria-hidden": "true"}),
            html.Span(f"{total} runs: {words}", className="label"),
        ],
        className="study-progress",
    )
