"""What roles, scopes and states are called, and how people are shown."""

from collections.abc import Mapping
from typing import Any

from dash import dcc, html

from app.client import ApiProblem
from app.language import filled, mark, tr
from app.schemas import SessionView
from app.ui.elements import page_head

ROLES = {"viewer": mark("viewer"), "member": mark("member"), "admin": mark("administrator")}
ROLES_EXPLAINED = {
    "viewer": mark("Viewer: sees everything, changes nothing"),
    "member": mark("Member: launches, comments, approves"),
    "admin": mark("Administrator: invites, and says who may do what"),
}
STATES = {
    "open": mark("open"),
    "used": mark("used"),
    "valid": mark("valid"),
    "revoked": mark("revoked"),
    "expired": mark("expired"),
}


def role_words(role: str) -> str:
    """A role as it is spoken of."""
    return tr(ROLES[role])


def role_options() -> list[dict[str, str]]:
    """Roles to choose from, each with what it may do."""
    return [{"value": role, "label": tr(words)} for role, words in ROLES_EXPLAINED.items()]


def state_tag(state: str) -> html.Span:
    """What an invitation or token is now."""
    return html.Span(tr(STATES[state]), className="tag" if state in ("open", "valid") else "tag tag-plain")


def table(titles: tuple[str, ...], rows: list[list[Any]]) -> html.Div:
    """Rows that stack on phones. A column of buttons has the title ''."""
    buttons = html.Span(tr("What can be done"), className="for-ears")
    head = html.Thead(html.Tr([html.Th(title or buttons, scope="col") for title in titles]))
    body = html.Tbody([table_row(titles, row) for row in rows])
    return html.Div(html.Table([head, body], className="plain stacks people-table"), className="table-scroll")


def table_row(titles: tuple[str, ...], cells: list[Any]) -> html.Tr:
    """One row. Stacked on a phone, each cell but the first says what it is."""
    marks = [{"data-title": title} if place and title else {} for place, title in enumerate(titles)]
    # By name, for a component without children is as false as no component.
    return html.Tr(
        [
            html.Td(None if cell in (None, "") else html.Div(cell), **mark)
            for cell, mark in zip(cells, marks, strict=True)
        ]
    )


def asks(what: Mapping[str, str | int] | str, words: str, spoken: str, question: str) -> dcc.ConfirmDialogProvider:
    """A button that asks before anything happens. what: the id whose `submit_n_clicks` says that the answer was yes."""
    button = html.Button(
        words, className="button button-plain button-small", type="button", title=spoken, **{"aria-label": spoken}
    )
    return dcc.ConfirmDialogProvider(button, id=what, message=question)


def refusal(problem: ApiProblem) -> html.Div:
    """The API's own sentence."""
    return html.Div(problem.detail, className="note note-bad", role="alert")


def done(words: str) -> html.Div:
    """That something has been done."""
    return html.Div(words, className="note people-done")


def without_accounts(title: str, session: SessionView) -> html.Div:
    """What stands in the place of a page about people while nobody has an account."""
    how = filled(
        "Nobody has an account here: you are the {user}, and this machine alone reaches the address. Switch accounts on"
        " with {command}; from then on everybody logs in.",
        user=session.user,
        command=html.Code("peft-atlas user add NAME --operator"),
    )
    return html.Div([page_head(title, tr("Accounts are off.")), html.Div(how, className="panel")], className="people")
