"""The panel of what teams may take of the installation, for its operators."""

from typing import Any

import dash_mantine_components as dmc
from dash import Input, Output, State, html, no_update

from app.client import ApiProblem
from app.language import tr
from app.schemas import TeamLimits, TeamQuota
from app.ui.numbers import by_formula, show
from app.ui.people.limits import limit
from app.ui.people.words import done, refusal, table
from app.ui.policy import reading, writing
from app.ui.session import client

GIGABYTE = 1_000_000_000


def team_limits_panel(quotas: list[TeamQuota]) -> html.Section:
    why = tr(
        "What a team asks beyond its limits is refused before anything is queued or kept. An empty field is no limit."
    )
    return html.Section(
        [
            html.Div(html.H2(tr("Limits of teams")), className="panel-head"),
            html.P(why, className="quiet"),
            html.Div(id="admin-limits-note", role="status"),
            html.Div(limits_table(quotas), id="admin-limits"),
            html.Div(_fields(quotas), className="people-form"),
        ],
        className="panel",
        id="limits",
    )


def limits_table(quotas: list[TeamQuota]) -> html.Div:
    """By name, what each takes beside what it may."""
    rows = [
        [
            html.B(quota.team),
            _taken(quota.queued_runs, "count", f"queued_runs(team {quota.id})"),
            limit(quota.most_queued_runs, "count", quota.id),
            _taken(quota.disk_bytes, "bytes", f"disk_bytes(team {quota.id})"),
            limit(quota.most_disk_bytes, "bytes", quota.id),
        ]
        for quota in sorted(quotas, key=lambda quota: quota.team)
    ]
    return table((tr("Team"), tr("Runs that wait"), tr("May wait"), tr("Kept on the disk"), tr("May be kept")), rows)


def _taken(value: int, quantity: Any, formula: str) -> Any:
    return show(by_formula(value, quantity, formula, exact=True))


def _fields(quotas: list[TeamQuota]) -> list[Any]:
    names = [{"value": str(quota.id), "label": quota.team} for quota in quotas]
    first = quotas[0]
    return [
        dmc.Select(id="admin-limits-team", label=tr("Team"), value=str(first.id), data=names, allowDeselect=False),
        dmc.NumberInput(
            id="admin-limits-runs", label=tr("Runs that may wait"), value=runs_field(first), min=0, allowDecimal=False
        ),
        dmc.NumberInput(
            id="admin-limits-disk", label=tr("Gigabytes that may be kept"), value=disk_field(first), min=0, step=1
        ),
        html.Button(tr("Set the limits"), id="admin-limits-set", className="button", type="button"),
    ]


def runs_field(quota: TeamQuota) -> int | str:
    """A limit as the field holds it; '' is none."""
    return "" if quota.most_queued_runs is None else quota.most_queued_runs


def disk_field(quota: TeamQuota) -> float | str:
    """A limit as the field holds it, in gigabytes; '' is none."""
    return "" if quota.most_disk_bytes is None else quota.most_disk_bytes / GIGABYTE


def register() -> None:
    """Declared by the page, for Dash gives callbacks to the first application that it serves."""
    reading(
        Output("admin-limits-runs", "value"),
        Output("admin-limits-disk", "value"),
        Input("admin-limits-team", "value"),
        prevent_initial_call=True,
    )(show_limits)
    writing(
        Output("admin-limits", "children"),
        Output("admin-limits-note", "children"),
        Input("admin-limits-set", "n_clicks"),
        State("admin-limits-team", "value"),
        State("admin-limits-runs", "value"),
        State("admin-limits-disk", "value"),
        prevent_initial_call=True,
    )(set_limits)


async def show_limits(team: str) -> Any:
    """The chosen team's limits, to be changed."""
    try:
        quotas = await client().limits_of_teams()
    except ApiProblem:
        return no_update, no_update
    return next(((runs_field(one), disk_field(one)) for one in quotas if str(one.id) == team), (no_update, no_update))


async def set_limits(clicks: int | None, team: str, runs: float | str | None, gigabytes: float | str | None) -> Any:
    """Give the chosen team the limits in the fields."""
    if not clicks:
        return no_update, no_update
    api = client()
    limits = TeamLimits(
        most_queued_runs=int(runs) if isinstance(runs, int | float) else None,
        most_disk_bytes=round(gigabytes * GIGABYTE) if isinstance(gigabytes, int | float) else None,
    )
    try:
        changed = await api.set_limits(int(team), limits)
        quotas = await api.limits_of_teams()
    except ApiProblem as problem:
        return no_update, refusal(problem)
    return limits_table(quotas), done(tr("The limits of {team} are set.", team=changed.team))
