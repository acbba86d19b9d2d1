"""The panels of users and teams: who may use the installation, for operators."""

import asyncio
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Input, Output, State, ctx, dcc, html, no_update

from app.client import ApiProblem, AtlasClient
from app.language import filled, tr
from app.schemas import SessionView, TeamView, UserEntry, UserView
from app.ui.admin.limits import team_limits_panel
from app.ui.elements import moment
from app.ui.people import audit_log
from app.ui.people.words import asks, done, refusal, role_options, role_words, table
from app.ui.policy import writing
from app.ui.session import client


async def people_panels(api: AtlasClient) -> tuple[list[html.Section], list[html.Section]]:
    """Users and teams; and, for the page's end, what was done. In local mode how to have accounts."""
    session = await api.who_am_i()
    if not session.accounts:
        return [], [_local_mode()]
    users, teams, quotas, entries = await asyncio.gather(
        api.users(), api.teams(), api.limits_of_teams(), api.audit(installation=True)
    )
    log = audit_log.audit_panel("admin", tr("What was done in this installation"), entries, teams=True)
    return [users_panel(users, teams, session), teams_panel(teams), team_limits_panel(quotas)], [log]


def _local_mode() -> html.Section:
    tag = html.Span(tr("local mode"), className="tag tag-plain")
    words = filled(
        "There are no accounts: whoever opens this address is the local user and may do everything. So it listens on"
        " this machine alone. {command} makes the first account, and from then on everybody logs in.",
        command=html.Code("peft-atlas user add NAME --operator"),
    )
    head = html.Div([html.H2(tr("People")), tag], className="panel-head")
    return html.Section([head, html.P(words)], className="panel", id="people")


def users_panel(users: list[UserView], teams: list[TeamView], session: SessionView) -> html.Section:
    invite = dcc.Link(tr("Invite somebody"), href="/team#invitations")
    head = html.Div([html.H2(tr("Users")), invite], className="panel-head")
    form = html.Details(
        [html.Summary(tr("Add a user with a password")), html.Div(_user_fields(teams), className="people-form")],
        className="people-more",
    )
    return html.Section(
        [
            head,
            html.Div(id="admin-users-note", role="status"),
            html.Div(users_table(users, session.user), id="admin-users"),
            form,
        ],
        className="panel",
        id="people",
    )


def _user_fields(teams: list[TeamView]) -> list[Any]:
    slugs = [team.slug for team in teams]
    return [
        dmc.TextInput(
            id="admin-user-name", label=tr("Name"), value="", attributes={"input": {"autoCapitalize": "none"}}
        ),
        dmc.PasswordInput(
            id="admin-user-password",
            label=tr("First password"),
            value="",
            attributes={"input": {"autoComplete": "new-password"}},
        ),
        dmc.Select(id="admin-user-team", label=tr("Team"), value="local", data=slugs, allowDeselect=False),
        dmc.Select(id="admin-user-role", label=tr("Role"), value="member", data=role_options(), allowDeselect=False),
        html.Button(tr("Add the user"), id="admin-user-add", className="button", type="button"),
    ]


def users_table(users: list[UserView], me: str) -> html.Div:
    """By name."""
    titles = (tr("Name"), tr("Teams"), tr("Since"), "")
    return table(titles, [_user_row(user, me) for user in users])


def _user_row(user: UserView, me: str) -> list[Any]:
    tags = [
        *([" ", html.Span(tr("operator"), className="tag")] if user.operator else []),
        *([" ", html.Span(tr("disabled"), className="tag tag-plain")] if user.disabled else []),
        *([" ", html.Span(tr("logs in elsewhere"), className="tag tag-plain")] if user.oidc else []),
    ]
    teams = [html.Div(f"{team.name} · {role_words(team.role)}") for team in user.teams]
    none = html.Span(tr("no team"), className="quiet")
    return [[html.B(user.name), *tags], teams or none, moment(user.created_at), _user_buttons(user, me)]


def _user_buttons(user: UserView, me: str) -> Any:
    name = user.name
    if name == me:
        return html.Span(tr("you"), className="quiet")
    if user.disabled:
        state = _button("enable", name, tr("Let in again"), tr("Let {user} in again", user=name))
    else:
        question = tr("Disable {user}? They are logged out at once, and their tokens are revoked.", user=name)
        state = asks(_what("disable", name), tr("Disable"), tr("Disable {user}", user=name), question)
    if user.operator:
        question = tr("Shall {user} no longer operate this installation?", user=name)
        spoken = tr("{user} is no operator any more", user=name)
        operates = asks(_what("no-operator", name), tr("No operator"), spoken, question)
    else:
        question = tr("Shall {user} operate this installation: its users, teams, workers and storage?", user=name)
        spoken = tr("Make {user} an operator", user=name)
        operates = asks(_what("operator", name), tr("Make operator"), spoken, question)
    return html.Div([state, operates], className="row-of")


def _what(action: str, user: str) -> dict[str, str]:
    return {"type": "admin-user-ask", "action": action, "user": user}


def _button(action: str, user: str, words: str, spoken: str) -> html.Button:
    return html.Button(
        words,
        id={"type": "admin-user-do", "action": action, "user": user},
        className="button button-plain button-small",
        type="button",
        **{"aria-label": spoken},
    )


def teams_panel(teams: list[TeamView]) -> html.Section:
    longest = {"input": {"maxLength": 63, "autoCapitalize": "none"}}
    fields = [
        dmc.TextInput(id="admin-team-name", label=tr("New team"), value="", attributes=longest),
        html.Button(tr("Make the team"), id="admin-team-make", className="button", type="button"),
    ]
    why = tr("What a team has no other team sees. Whoever makes a team administers it at first.")
    return html.Section(
        [
            html.Div(html.H2(tr("Teams")), className="panel-head"),
            html.P(why, className="quiet"),
            html.Div(id="admin-teams-note", role="status"),
            html.Div(teams_table(teams), id="admin-teams"),
            html.Div(fields, className="people-form"),
        ],
        className="panel",
        id="teams",
    )


def teams_table(teams: list[TeamView]) -> html.Div:
    """By name, with how many belong to each."""
    titles = (tr("Team"), tr("Members"), tr("Administrators"))
    return table(titles, [[html.B(team.slug), f"{team.members:,}", f"{team.admins:,}"] for team in teams])


def register() -> None:
    """Declared by the page, for Dash gives callbacks to the first application that it serves."""
    writing(
        Output("admin-users", "children"),
        Output("admin-users-note", "children"),
        Output("admin-user-password", "value"),
        Input("admin-user-add", "n_clicks"),
        Input({"type": "admin-user-do", "action": ALL, "user": ALL}, "n_clicks"),
        Input({"type": "admin-user-ask", "action": ALL, "user": ALL}, "submit_n_clicks"),
        State("admin-user-name", "value"),
        State("admin-user-password", "value"),
        State("admin-user-team", "value"),
        State("admin-user-role", "value"),
        prevent_initial_call=True,
    )(change_users)
    writing(
        Output("admin-teams", "children"),
        Output("admin-teams-note", "children"),
        Output("admin-user-team", "data"),
        Input("admin-team-make", "n_clicks"),
        State("admin-team-name", "value"),
        prevent_initial_call=True,
    )(make_team)


async def change_users(
    add: int | None,
    clicked: list[int | None],
    answered: list[int | None],
    name: str | None,
    password: str | None,
    team: str,
    role: Any,
) -> Any:
    """Add a user, or do to one what was asked."""
    if not (add or any(clicked) or any(answered)):
        return no_update, no_update, no_update
    api, asked = client(), ctx.triggered_id
    try:
        if isinstance(asked, dict):
            words = await _done(api, asked["action"], asked["user"])
        elif name and password:
            entry = UserEntry(name=name[:200], password=password[:1000], team=team, role=role)
            words = tr("{user} can log in now.", user=(await api.add_user(entry)).name)
        else:
            missing = html.Div(tr("A user has a name and a password."), className="note note-bad", role="alert")
            return no_update, missing, no_update
        return users_table(await api.users(), (await api.who_am_i()).user), done(words), ""
    except ApiProblem as problem:
        return no_update, refusal(problem), no_update


async def _done(api: AtlasClient, action: str, user: str) -> str:
    if action == "disable":
        await api.change_user(user, disabled=True)
        return tr("{user} is logged out and stays out.", user=user)
    if action == "enable":
        await api.change_user(user, disabled=False)
        return tr("{user} can log in again.", user=user)
    await api.change_user(user, operator=action == "operator")
    if action == "operator":
        return tr("{user} operates this installation now.", user=user)
    return tr("{user} no longer operates this installation.", user=user)


async def make_team(clicks: int | None, name: str | None) -> Any:
    """Make a team."""
    if not clicks:
        return no_update, no_update, no_update
    if not (name or "").strip():
        missing = html.Div(tr("Give the team a name."), className="note note-bad", role="alert")
        return no_update, missing, no_update
    api = client()
    try:
        made = await api.create_team((name or "")[:100])
        teams = await api.teams()
    except ApiProblem as problem:
        return no_update, refusal(problem), no_update
    told = tr("The team {team} is made. Show it on your account's page to invite people.", team=made.slug)
    return teams_table(teams), done(told), [team.slug for team in teams]
