"""Showing a study to people without an account: share links, and reports that are published."""

from dataclasses import dataclass
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Input, Output, State, clientside_callback, ctx, dcc, html, no_update

from app.client import ApiProblem, AtlasClient
from app.language import filled, tr, trn
from app.schemas import LONGEST_SHARE_NOTE, SHARE_DAYS, PublicationView, Role, ShareView
from app.ui.elements import moment
from app.ui.policy import reading, writing
from app.ui.session import client

DAYS = (1, 7, SHARE_DAYS, 30, 90)
WHOLE_ADDRESS = "(path) => path ? window.location.origin + path : ''"
"""The server does not know by which name a browser calls it."""
COPY = """async (clicks) => {
    if (!clicks) return window.dash_clientside.no_update;
    const said = document.getElementById('study-share-copy').dataset;
    try {
        await navigator.clipboard.writeText(document.getElementById('study-share-address').innerText);
        return said.copied;
    } catch {
        return said.select;
    }
}"""


@dataclass(frozen=True)
class Shown:
    """A study's links and publications, and what the reader may do with them."""

    role: Role
    shares: list[ShareView]
    publications: list[PublicationView]

    @property
    def may_share(self) -> bool:
        return self.role != "viewer"

    @property
    def may_publish(self) -> bool:
        return self.role == "admin"


async def read(api: AtlasClient, study: int) -> Shown:
    """What the panel shows."""
    caller = await api.who_am_i()
    return Shown(caller.role, await api.shares(study), await api.publications(study))


def panel(shown: Shown) -> html.Section:
    """Links on one side, publications on the other."""
    return html.Section(
        [
            dcc.Store(id="study-shared", data=0),
            html.Div(html.H2(tr("Share and publish")), className="panel-head"),
            html.Div([_sharing(shown), _publishing(shown)], className="review-grid"),
            _question(),
        ],
        className="panel",
        id="study-sharing",
    )


def _sharing(shown: Shown) -> html.Div:
    told = tr("Whoever has a link reads this study's report as it is then, without an account, until the link ends.")
    form: list[Any] = [_form(), _new_link()] if shown.may_share else [_only(tr("Members of the team make links."))]
    return html.Div(
        [
            html.H3(tr("Share links")),
            html.P(told, className="quiet"),
            html.Div(links(shown), id="study-shares"),
            *form,
            html.P(id="study-share-problem", className="problem", role="alert"),
        ],
        className="review-comments",
    )


def _form() -> html.Div:
    return html.Div(
        [
            dmc.TextInput(
                id="study-share-note",
                label=tr("For whom (optional)"),
                attributes={"input": {"maxLength": LONGEST_SHARE_NOTE}},
            ),
            dmc.Select(
                id="study-share-days",
                label=tr("Works for"),
                data=[{"value": str(days), "label": trn("{count} day", "{count} days", days)} for days in DAYS],
                value=str(SHARE_DAYS),
                allowDeselect=False,
            ),
            dmc.Button(tr("Create link"), id="study-share-create", size="xs", variant="default"),
        ],
        className="share-form",
    )


def _new_link() -> html.Div:
    """The link that was just made: it is shown this once."""
    copy = {"data-copied": tr("Copied"), "data-select": tr("Select the address and copy it.")}
    return html.Div(
        [
            dcc.Store(id="study-share-path"),
            html.P(tr("This link is shown once. Copy it now."), className="share-once"),
            html.Code(id="study-share-address", tabIndex=0),
            html.Div(
                [
                    dmc.Button(tr("Copy"), id="study-share-copy", size="xs", **copy),
                    html.Span(id="study-share-copied", className="quiet", role="status"),
                ],
                className="share-copy",
            ),
        ],
        id="study-share-new",
        className="note share-new",
        hidden=True,
    )


def _only(words: str) -> html.P:
    return html.P(words, className="quiet")


def links(shown: Shown) -> Any:
    """Every link, the newest first, without what opens it."""
    if not shown.shares:
        return html.P(tr("No link yet."), className="quiet")
    return html.Ol([_link(share, revocable=shown.may_share) for share in shown.shares], className="approvals")


def _link(share: ShareView, *, revocable: bool) -> html.Li:
    name = html.B(share.note or tr("Link {id}", id=share.id))
    head: list[Any] = [name, " ", html.Span(_standing(share), className="tag" if share.works else "tag tag-plain")]
    if share.works and revocable:
        spoken = tr("Revoke the link {name}", name=share.note or share.id)
        asked = {"type": "study-share-revoke", "share": share.id}
        head.append(html.Button(tr("Revoke"), id=asked, className="link-button", **{"aria-label": spoken}))
    made = filled("By {user}, {when}", user=share.created_by, when=moment(share.created_at))
    used: list[Any] = [tr("never used")]
    if share.last_used_at is not None:
        used = filled("last used {when}", when=moment(share.last_used_at))
    return html.Li([html.Div(head, className="comment-head"), html.Div([*made, " · ", *used], className="quiet")])


def _standing(share: ShareView) -> list[Any]:
    if share.revoked_at is not None:
        return filled("revoked {when}", when=moment(share.revoked_at))
    if share.works:
        return filled("until {when}", when=moment(share.expires_at))
    return filled("expired {when}", when=moment(share.expires_at))


def _publishing(shown: Shown) -> html.Div:
    told = tr("A published report stays as it was. Everybody who has its address can read it until it is withdrawn.")
    act: Any = dmc.Button(tr("Publish report"), id="study-publish", size="xs", variant="default")
    return html.Div(
        [
            html.H3(tr("Published reports")),
            html.P(told, className="quiet"),
            html.Div(published(shown), id="study-publications"),
            act if shown.may_publish else _only(tr("Administrators of the team publish.")),
        ],
        className="review-comments",
    )


def published(shown: Shown) -> Any:
    """Every publication, the newest first."""
    if not shown.publications:
        return html.P(tr("Nothing was published yet."), className="quiet")
    return html.Ol([_publication(one, shown.may_publish) for one in shown.publications], className="approvals")


def _publication(one: PublicationView, may_withdraw: bool) -> html.Li:
    by = filled("Published by {user}, {when}", user=html.B(one.published_by), when=moment(one.published_at))
    if one.withdrawn_at is not None:
        gone = filled("withdrawn {when}", when=moment(one.withdrawn_at))
        return html.Li([html.Div(by), html.Div(gone, className="quiet")])
    changed = [html.Span(tr("results have changed since"), className="tag tag-warn")] if one.changed_since else []
    acts: list[Any] = [html.A(tr("Open"), href=one.path, className="link-button", target="_blank")]
    if may_withdraw:
        acts.append(
            html.Button(tr("Withdraw"), id={"type": "study-withdraw", "publication": one.id}, className="link-button")
        )
    return html.Li([html.Div(by), html.Div([*changed, *acts], className="comment-head")])


def _question() -> dmc.Modal:
    return dmc.Modal(
        [
            dcc.Store(id="study-publish-what"),
            html.P(id="study-publish-words"),
            html.P(id="study-publish-problem", className="problem", role="alert"),
            html.Div(
                [
                    dmc.Button(tr("Not now"), id="study-publish-no", variant="default"),
                    dmc.Button(id="study-publish-yes"),
                ],
                className="modal-actions",
            ),
        ],
        id="study-publish-ask",
        title=tr("Publication"),
        centered=True,
        opened=False,
    )


def register() -> None:
    """Declare what the panel does. By each application anew, for Dash gives callbacks to the first that it serves."""
    study, shared = State("study-id", "data"), State("study-shared", "data")
    clientside_callback(WHOLE_ADDRESS, Output("study-share-address", "children"), Input("study-share-path", "data"))
    clientside_callback("(path) => !path", Output("study-share-new", "hidden"), Input("study-share-path", "data"))
    clientside_callback(
        COPY, Output("study-share-copied", "children"), Input("study-share-copy", "n_clicks"), prevent_initial_call=True
    )
    writing(
        Output("study-share-path", "data"),
        Output("study-share-note", "value"),
        Output("study-share-problem", "children"),
        Output("study-shared", "data"),
        Input("study-share-create", "n_clicks"),
        State("study-share-note", "value"),
        State("study-share-days", "value"),
        study,
        shared,
        prevent_initial_call=True,
    )(create)
    writing(
        Output("study-share-problem", "children", allow_duplicate=True),
        Output("study-shared", "data", allow_duplicate=True),
        Input({"type": "study-share-revoke", "share": ALL}, "n_clicks"),
        study,
        shared,
        prevent_initial_call=True,
    )(revoke)
    writing(
        Output("study-publish-ask", "opened"),
        Output("study-publish-what", "data"),
        Output("study-publish-words", "children"),
        Output("study-publish-yes", "children"),
        Output("study-publish-problem", "children"),
        Input("study-publish", "n_clicks"),
        Input({"type": "study-withdraw", "publication": ALL}, "n_clicks"),
        Input("study-publish-no", "n_clicks"),
        prevent_initial_call=True,
    )(ask)
    writing(
        Output("study-publish-ask", "opened", allow_duplicate=True),
        Output("study-publish-problem", "children", allow_duplicate=True),
        Output("study-shared", "data", allow_duplicate=True),
        Input("study-publish-yes", "n_clicks"),
        State("study-publish-what", "data"),
        study,
        shared,
        prevent_initial_call=True,
    )(publish)
    reading(
        Output("study-shares", "children"),
        Output("study-publications", "children"),
        Input("study-shared", "data"),
        Input("study-version", "data"),
        study,
        prevent_initial_call=True,
    )(show)


async def create(clicks: int | None, note: str | None, days: str, study: int, shared: int) -> Any:
    """Make a link, and show it this once."""
    if not clicks:
        return [no_update] * 4
    try:
        made = await client().create_share(study, note or "", int(days))
    except ApiProblem as problem:
        return no_update, no_update, problem.detail, no_update
    return made.path, "", "", shared + 1


async def revoke(clicks: list[int | None], study: int, shared: int) -> Any:
    """Have a link open nothing any more."""
    if not any(clicks) or not isinstance(ctx.triggered_id, dict):
        return no_update, no_update
    try:
        await client().revoke_share(study, int(ctx.triggered_id["share"]))
    except ApiProblem as problem:
        return problem.detail, no_update
    return "", shared + 1


async def ask(clicks: int | None, withdrawals: list[int | None], _no: int | None) -> Any:
    """Ask before either: of a publication everybody may have a copy, and one that is withdrawn is gone."""
    if isinstance(ctx.triggered_id, dict) and any(withdrawals):
        words = tr("Nobody will find the report at its address any more. Publishing again gives another address.")
        return True, int(ctx.triggered_id["publication"]), words, tr("Withdraw report"), ""
    if ctx.triggered_id == "study-publish" and clicks:
        words = tr(
            "The report as it is now can then be read by everybody who has its address, without an account: names,"
            " figures and the study's document."
        )
        return True, None, words, tr("Publish report"), ""
    return (no_update if isinstance(ctx.triggered_id, dict) else False), *[no_update] * 4


async def publish(clicks: int | None, publication: int | None, study: int, shared: int) -> Any:
    """Publish, or withdraw the publication that was asked about."""
    if not clicks:
        return no_update, no_update, no_update
    try:
        if publication is None:
            await client().publish(study)
        else:
            await client().withdraw(study, publication)
    except ApiProblem as problem:
        return True, problem.detail, no_update
    return False, "", shared + 1


async def show(_: int, __: str, study: int) -> Any:
    """Links and publications as they are now."""
    try:
        shown = await read(client(), study)
    except ApiProblem:
        return no_update, no_update
    return links(shown), published(shown)
