"""Signing a study's results off: the badge that says so, its question, and its history."""

from typing import Any

import dash_mantine_components as dmc
from dash import Input, Output, State, ctx, html, no_update

from app.client import ApiProblem
from app.language import filled, tr
from app.schemas import LONGEST_NOTE, ApprovalView, StudyView
from app.ui.elements import moment
from app.ui.policy import writing
from app.ui.session import client


def badge(approval: ApprovalView | None) -> list[Any]:
    """Approved, or approved before the results changed; nothing where it is not."""
    if approval is None or approval.state == "withdrawn":
        return []
    by = filled("Approved by {user}, {when}", user=approval.user, when=moment(approval.created_at))
    if approval.changed_since:
        return [_tag("warn", [*by, " · ", tr("results changed since")], "tag-warn")]
    return [_tag("check", by, "tag-good")]


def _tag(icon: str, words: list[Any], tone: str) -> html.Span:
    return html.Span(
        [html.Span(className=f"icon icon-{icon}", **{"aria-hidden": "true"}), html.Span(words)], className=f"tag {tone}"
    )


def button(view: StudyView) -> Any:
    """What can be done now: approve, approve what has changed, or take it back."""
    approval = view.approval
    holds = approval is not None and approval.state == "approved" and not approval.changed_since
    words = tr("Withdraw approval") if holds else tr("Approve again") if _outdated(approval) else tr("Approve")
    wanted = dmc.Button(
        words,
        id="study-approve",
        variant="default" if holds else "filled",
        size="xs",
        disabled=not view.counts.succeeded,
    )
    if view.counts.succeeded:
        return wanted
    return html.Span(wanted, title=tr("There is nothing to approve before a run has ended well."))


def _outdated(approval: ApprovalView | None) -> bool:
    return approval is not None and approval.state == "approved" and approval.changed_since


def question() -> dmc.Modal:
    """Asks before either, for a note; its words are set when it is opened."""
    return dmc.Modal(
        [
            html.P(id="study-approve-words"),
            dmc.Textarea(
                id="study-approve-note",
                label=tr("Note (optional)"),
                autosize=True,
                minRows=2,
                maxRows=8,
                debounce=False,
                attributes={"input": {"maxLength": LONGEST_NOTE}},
            ),
            html.P(id="study-approve-problem", className="problem", role="alert"),
            html.Div(
                [
                    dmc.Button(tr("Not now"), id="study-approve-no", variant="default"),
                    dmc.Button(id="study-approve-yes"),
                ],
                className="modal-actions",
            ),
        ],
        id="study-approve-ask",
        title=tr("Sign-off"),
        centered=True,
        opened=False,
    )


def history(approvals: list[ApprovalView]) -> Any:
    """Every approval and withdrawal, the newest first."""
    if not approvals:
        return html.P(tr("Nobody has approved these results yet."), className="quiet")
    return html.Ol([_entry(approval) for approval in approvals], className="approvals")


def _entry(approval: ApprovalView) -> html.Li:
    who, when = html.B(approval.user), moment(approval.created_at)
    words = (
        filled("{user} approved, {when}", user=who, when=when)
        if approval.state == "approved"
        else filled("{user} withdrew the approval, {when}", user=who, when=when)
    )
    changed = approval.state == "approved" and approval.changed_since
    since = [html.Span([" · ", tr("results changed since")], className="quiet")] if changed else []
    note = [html.P(approval.note, className="comment-text")] if approval.note else []
    return html.Li([html.Div([*words, *since]), *note])


def register() -> None:
    """Declare what the question does. By each application anew, for Dash hands callbacks to the first it serves."""
    writing(
        Output("study-approve-ask", "opened"),
        Output("study-approve-words", "children"),
        Output("study-approve-yes", "children"),
        Output("study-approve-note", "value"),
        Output("study-approve-problem", "children"),
        Output("study-reviewed", "data", allow_duplicate=True),
        Input("study-approve", "n_clicks"),
        Input("study-approve-no", "n_clicks"),
        Input("study-approve-yes", "n_clicks"),
        State("study-approve-note", "value"),
        State("study-id", "data"),
        State("study-reviewed", "data"),
        prevent_initial_call=True,
    )(approve)


async def approve(
    ask: int | None, _no: int | None, _yes: int | None, note: str | None, study: int, reviewed: int
) -> Any:
    """Ask, then sign off or withdraw, whichever can be done now."""
    api, same = client(), [no_update] * 3
    if ctx.triggered_id == "study-approve-no" or (ctx.triggered_id == "study-approve" and not ask):
        return False, *same, "", no_update
    try:
        view = await api.study(study)
        holds = view.approval is not None and view.approval.state == "approved" and not view.approval.changed_since
        if ctx.triggered_id == "study-approve":
            return True, *_asked(withdraw=holds), "", "", no_update
        await api.change_approval(study, "withdrawn" if holds else "approved", note or "")
    except ApiProblem as problem:
        return no_update, *same, problem.detail, no_update
    return False, *same, "", reviewed + 1


def _asked(*, withdraw: bool) -> tuple[str, str]:
    if withdraw:
        return tr("The study will no longer count as approved. The history keeps both."), tr("Withdraw approval")
    words = tr("You sign off the results as they are now. If runs are added or measured again, the approval says so.")
    return words, tr("Approve results")
