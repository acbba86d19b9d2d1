"""The panel "Profile": up to six methods on the axes that all of them have a score in."""

import asyncio
from typing import Any

import dash_mantine_components as dmc
from dash import Input, Output, State, dcc, html, no_update

from app.client import ApiProblem
from app.language import tr
from app.ui.cells import Matrix
from app.ui.charts.radar import MOST_METHODS, default_choice
from app.ui.policy import reading
from app.ui.session import client
from app.ui.states import error, loading
from app.ui.study.address import keep_in_address
from app.ui.study.chosen import SEPARATOR
from app.ui.study.shown import in_place
from app.ui.study.views import radar_view
from app.ui.theme import palette


def panel(matrix: Matrix, chosen: list[int]) -> html.Section:
    """The panel with its choice of methods."""
    choice = dmc.MultiSelect(
        id="study-chosen",
        data=[{"value": str(row.id), "label": row.label} for row in matrix.comparison.configurations],
        value=[str(configuration) for configuration in chosen],
        maxValues=MOST_METHODS,
        searchable=False,
        placeholder=tr("Choose methods"),
        size="xs",
        attributes={"input": {"aria-label": tr("Methods of the profile, at most six")}},
    )
    return html.Section(
        [
            dcc.Store(id="study-radar-shown"),
            dcc.Store(id="study-radar-address"),
            html.Div(
                [html.H2(tr("Profile of up to six")), html.Div(choice, **{"data-label": tr("names of methods")})],
                className="panel-head radar-head",
            ),
            html.Div(loading(rows=12), id="study-radar", className="study-radar"),
        ],
        className="panel",
        **{"data-region": "evidence"},
    )


def register() -> None:
    """Declare what the panel does. By each application anew, for Dash gives callbacks to the first that it serves."""
    keep_in_address("study-radar-address")
    reading(
        Output("study-radar", "children"),
        Output("study-radar-shown", "data"),
        Output("study-radar-address", "data"),
        Input("study-chosen", "value"),
        Input("scheme-now", "data"),
        Input("narrow-now", "data"),
        Input("study-version", "data"),
        Input("study-below", "data"),
        State("study-id", "data"),
        State("study-radar-shown", "data"),
    )(show_radar)


async def show_radar(
    chosen: list[str],
    scheme: str | None,
    narrow: bool | None,
    _: str,
    begun: bool | None,
    study: int,
    shown: str | None,
) -> Any:
    """The profiles of the chosen methods."""
    if scheme is None or narrow is None or not begun:
        return no_update, no_update, no_update
    api = client()
    try:
        view, comparison = await asyncio.gather(api.study(study), api.comparison(study))
    except ApiProblem as problem:
        return error(tr("The comparison could not be read"), problem.detail), "error", no_update
    matrix = Matrix(comparison, view.metric)
    wanted = [int(configuration) for configuration in chosen]
    usual = not wanted or wanted == default_choice(matrix)
    address = {"profile": None if usual else SEPARATOR.join(chosen)}
    return *in_place(radar_view(matrix, wanted, palette(scheme), narrow=narrow), shown), address
