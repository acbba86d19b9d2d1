"""The panel "Sweeps": quality, size and speed of a method over one hyper-parameter, where the study holds several of
its values; else one line that says which preset makes a sweep."""

import asyncio
from typing import Any

import dash_mantine_components as dmc
from dash import Input, Output, State, dcc, html, no_update

from app.client import ApiProblem
from app.language import filled, tr
from app.schemas import Sweeps, SweepView
from app.ui.charts.sweep import sweep
from app.ui.figure_files import save_buttons
from app.ui.policy import reading
from app.ui.sentences import sentence
from app.ui.session import client
from app.ui.states import error, loading
from app.ui.still import stilled
from app.ui.study.address import keep_in_address
from app.ui.study.shown import Shown, drawn, image, in_place
from app.ui.study.sweep_words import best_tag, neighbour_table, rule_note, sweep_table, sweep_title
from app.ui.theme import Palette, palette


def panel(found: Sweeps, asked: str | None) -> html.Section:
    """The panel with its choice of sweep; the figure follows when the browser has said its colours and width. asked:
    the place of a sweep in the list, from one, as an address says it."""
    place = chosen_place(found, asked)
    choice = dmc.Select(
        id="sweep-choice",
        data=options(found),
        value=str(place),
        allowDeselect=False,
        size="xs",
        w=260,
        display="none" if len(found.sweeps) < 2 else None,
        attributes={"input": {"aria-label": tr("Which sweep")}},
    )
    return html.Section(
        [
            dcc.Store(id="sweep-shown"),
            dcc.Store(id="sweep-address"),
            html.Div([html.H2(tr("Sweeps")), choice], className="panel-head"),
            html.Div(loading(rows=12) if found.sweeps else nothing_swept(found), id="sweep-body"),
        ],
        className="panel",
        id="study-sweeps",
        **{"data-region": "evidence"},
    )


def options(found: Sweeps) -> list[dict[str, str]]:
    return [{"value": str(place), "label": sweep_title(one)} for place, one in enumerate(found.sweeps, start=1)]


def chosen_place(found: Sweeps, asked: str | None) -> int:
    """From one; the first where the address says nothing that is there, for an address is typed by anyone."""
    known = {option["value"] for option in options(found)}
    return int(asked) if asked is not None and asked in known else 1


def nothing_swept(found: Sweeps) -> html.P:
    """What would make a sweep: presets, each with a form filled in by it."""
    links: list[Any] = []
    for place, preset in enumerate(found.presets):
        links += [", " if place else "", dcc.Link(preset.title, href=f"/studies/new?preset={preset.key}")]
    words = filled(
        "No method here has several values of one hyper-parameter, all else equal. Start such a study: {presets}.",
        presets=html.Span(links),
    )
    return html.P(words, className="quiet sweep-none")


def sweep_view(found: Sweeps, place: int, headline: str, colours: Palette, *, narrow: bool) -> Shown:
    """The figure of a sweep with its verdict, its rule and its tables."""
    chosen = found.sweeps[place - 1]
    draw = sweep(found, chosen, colours, headline=headline, narrow=narrow)
    parts = {
        "sweep-sentence": stilled(_verdict(chosen)),
        "sweep-note": stilled(rule_note(found, chosen)),
        "sweep-table": stilled([sweep_table(found, chosen, headline), *neighbour_table(chosen)]),
    }
    children = html.Div(
        [
            html.P(id="sweep-sentence", className="panel-answer", **parts["sweep-sentence"]),
            image("sweep-figure", draw, "sweep-sentence"),
            save_buttons("sweep-figure", f"study-{found.study}-sweep-{place}"),
            html.P(id="sweep-note", className="study-note", **parts["sweep-note"]),
            html.Details(
                [html.Summary(tr("The same numbers as a table")), html.Div(id="sweep-table", **parts["sweep-table"])],
                className="more",
            ),
        ]
    )
    updates = {**parts, **drawn("sweep-figure", draw)}
    return Shown(f"{'narrow ' if narrow else ''}figure {place}", children, updates)


def _verdict(chosen: SweepView) -> list[Any]:
    mark = best_tag(chosen)
    return [*([mark, " "] if mark is not None else []), *sentence(chosen.sentence)]


def register() -> None:
    """Declare what the panel does. By each application anew, for Dash gives callbacks to the first that it serves."""
    keep_in_address("sweep-address")
    reading(
        Output("sweep-body", "children"),
        Output("sweep-shown", "data"),
        Output("sweep-address", "data"),
        Output("sweep-choice", "data"),
        Output("sweep-choice", "display"),
        Input("sweep-choice", "value"),
        Input("scheme-now", "data"),
        Input("narrow-now", "data"),
        Input("study-version", "data"),
        Input("study-below", "data"),
        State("study-id", "data"),
        State("sweep-shown", "data"),
    )(show_sweep)


async def show_sweep(
    asked: str | None,
    scheme: str | None,
    narrow: bool | None,
    _: str,
    begun: bool | None,
    study: int,
    shown: str | None,
) -> Any:
    """The chosen sweep, once the browser has said its colours and width."""
    if scheme is None or narrow is None or not begun:
        return [no_update] * 5
    api = client()
    try:
        view, found = await asyncio.gather(api.study(study), api.sweeps(study))
    except ApiProblem as problem:
        return [error(tr("The sweeps could not be read"), problem.detail), "error", *[no_update] * 3]
    place = chosen_place(found, asked)
    hidden = "none" if len(found.sweeps) < 2 else None
    own = [{"sweep": str(place) if place > 1 else None}, options(found), hidden]
    if not found.sweeps:
        return [nothing_swept(found), "nothing", *own]
    new = sweep_view(found, place, view.metric, palette(scheme), narrow=narrow)
    return [*in_place(new, shown), *own]
