"""The panel of an audit log, a team's or the installation's: filtered by person and action, older ones on request."""

from collections.abc import Awaitable, Callable
from typing import Any

import dash_mantine_components as dmc
from dash import Input, Output, Patch, State, ctx, dcc, html, no_update

from app.client import ApiProblem
from app.language import tr
from app.schemas import AuditView, Page
from app.ui.elements import moment
from app.ui.people.words import refusal, table_row
from app.ui.policy import reading
from app.ui.session import client


def audit_panel(prefix: str, title: str, page: Page[AuditView], *, teams: bool = False) -> html.Section:
    """teams: whether the team of each entry is shown."""
    head = html.Thead(html.Tr([html.Th(one, scope="col") for one in _titles(teams=teams)]))
    body = html.Tbody(entries(page, teams=teams), id=f"{prefix}-audit-rows")
    scrolled = html.Div(html.Table([head, body], className="plain stacks people-table"), className="table-scroll")
    return html.Section(
        [
            html.Div(html.H2(title), className="panel-head"),
            html.Div(
                [
                    dmc.TextInput(id=f"{prefix}-audit-user", label=tr("Person"), value="", debounce=500),
                    dmc.TextInput(id=f"{prefix}-audit-action", label=tr("Action"), value="", debounce=500),
                ],
                className="people-form",
            ),
            scrolled,
            html.Div(id=f"{prefix}-audit-note", role="status"),
            dcc.Store(id=f"{prefix}-audit-cursor", data=page.next_cursor),
            html.Button(
                tr("Older entries"),
                id=f"{prefix}-audit-more",
                className="button button-plain",
                type="button",
                hidden=page.next_cursor is None,
            ),
        ],
        className="panel",
        id=f"{prefix}-audit",
    )


def entries(page: Page[AuditView], *, teams: bool) -> list[html.Tr]:
    """A row for each; what names it may hold are shown as text."""
    titles = _titles(teams=teams)
    if not page.items:
        return [html.Tr(html.Td(tr("No entry fits."), colSpan=len(titles), className="quiet"))]
    return [table_row(titles, _cells(entry, teams=teams)) for entry in page.items]


def _titles(*, teams: bool) -> tuple[str, ...]:
    where = [tr("Team")] if teams else []
    return (tr("When"), *where, tr("Who"), tr("What"), tr("How they came"))


def _cells(entry: AuditView, *, teams: bool) -> list[Any]:
    target = [" ", entry.target] if entry.target else []
    where = [entry.team or tr("the installation")] if teams else []
    who = html.B(entry.user) if entry.user else html.Span(tr("somebody unknown"), className="quiet")
    return [moment(entry.at), *where, who, [html.Code(entry.action), *target], entry.means or "–"]


def register(prefix: str, *, installation: bool = False) -> None:
    """Declared by the page, for Dash gives callbacks to the first application that it serves."""
    reading(
        Output(f"{prefix}-audit-rows", "children"),
        Output(f"{prefix}-audit-cursor", "data"),
        Output(f"{prefix}-audit-more", "hidden"),
        Output(f"{prefix}-audit-note", "children"),
        Input(f"{prefix}-audit-user", "value"),
        Input(f"{prefix}-audit-action", "value"),
        Input(f"{prefix}-audit-more", "n_clicks"),
        State(f"{prefix}-audit-cursor", "data"),
        prevent_initial_call=True,
    )(_show(prefix, installation=installation))


def _show(prefix: str, *, installation: bool) -> Callable[..., Awaitable[Any]]:
    async def show(user: str | None, action: str | None, _more: int | None, cursor: str | None) -> Any:
        """The first entries of another question, or more of the same."""
        more = ctx.triggered_id == f"{prefix}-audit-more"
        wanted = {"user": (user or "").strip().lower() or None, "action": (action or "").strip() or None}
        try:
            page = await client().audit(installation=installation, cursor=cursor if more else None, **wanted)
        except ApiProblem as problem:
            return no_update, no_update, no_update, refusal(problem)
        rows: Any = entries(page, teams=installation)
        if more:
            rows, new = Patch(), rows
            rows.extend(new)
        return rows, page.next_cursor, page.next_cursor is None, None

    return show
