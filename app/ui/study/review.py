"""What a team says of a study: its tags in the head, and the panel with comments and the history of approvals."""

from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Input, Output, State, ctx, dcc, html, no_update

from app.client import ApiProblem
from app.language import tr
from app.schemas import LONGEST_COMMENT, MOST_TAGS, ApprovalView, CommentView, StudyView
from app.ui.elements import moment
from app.ui.policy import reading, writing
from app.ui.session import client
from app.ui.study import actions, approval


def tags(view: StudyView) -> html.Div:
    """The study's tags: typed, taken away, kept at once."""
    field = dmc.TagsInput(
        id="study-tags",
        value=view.tags,
        maxTags=MOST_TAGS,
        placeholder=tr("Add a tag"),
        size="xs",
        variant="unstyled",
        attributes={"input": {"aria-label": tr("Tags")}},
    )
    return html.Div(
        [field, html.Span(id="study-tags-problem", className="problem", role="alert")], className="study-tags"
    )


def panel(said: list[CommentView], approvals: list[ApprovalView]) -> html.Section:
    """Comments with their form; beside them who signed the results off."""
    comments = html.Div(
        [
            html.H3(tr("Comments")),
            html.Div(listed(said), id="study-comments"),
            dmc.Textarea(
                id="study-comment",
                label=tr("Your comment"),
                placeholder=tr("What do you make of these results?"),
                autosize=True,
                minRows=2,
                maxRows=12,
                attributes={"input": {"maxLength": LONGEST_COMMENT}},
            ),
            html.P(id="study-comment-problem", className="problem", role="alert"),
            dmc.Button(tr("Comment"), id="study-comment-send", size="xs", variant="default"),
        ],
        className="review-comments",
    )
    signed = html.Div(
        [html.H3(tr("Sign-off")), html.Div(approval.history(approvals), id="study-approvals")],
        className="review-approvals",
    )
    return html.Section(
        [
            dcc.Store(id="study-reviewed", data=0),
            dcc.Store(id="study-comment-id"),
            html.Div(html.H2(tr("Review")), className="panel-head"),
            html.Div([comments, signed], className="review-grid"),
            _edit_question(),
            _delete_question(),
            approval.question(),
        ],
        className="panel",
        id="study-team",
    )


def listed(said: list[CommentView]) -> Any:
    """The comments, the oldest first; of a deleted one that it was there."""
    if not said:
        return html.P(tr("No comment yet."), className="quiet")
    return html.Ol([_comment(comment) for comment in said], className="comments")


def _comment(comment: CommentView) -> html.Li:
    head: list[Any] = [html.B(comment.user), " ", html.Span(moment(comment.created_at), className="quiet")]
    if comment.deleted_at is not None:
        return html.Li([html.Div(head), html.P(tr("This comment was deleted."), className="quiet comment-text")])
    if comment.edited_at is not None:
        head.append(html.Span([" · ", tr("edited")], className="quiet"))
    if comment.own:
        head += [_action("edit", tr("Edit"), comment), _action("delete", tr("Delete"), comment)]
    # Text is text: nothing in it is read as markup.
    return html.Li([html.Div(head, className="comment-head"), html.P(comment.text, className="comment-text")])


def _action(kind: str, words: str, comment: CommentView) -> html.Button:
    return html.Button(words, id={"type": f"study-comment-{kind}", "comment": comment.id}, className="link-button")


def _edit_question() -> dmc.Modal:
    return dmc.Modal(
        [
            dmc.Textarea(
                id="study-comment-edited",
                label=tr("Your comment"),
                autosize=True,
                minRows=3,
                maxRows=16,
                attributes={"input": {"maxLength": LONGEST_COMMENT}},
            ),
            html.P(id="study-comment-edit-problem", className="problem", role="alert"),
            html.Div(dmc.Button(tr("Save"), id="study-comment-save"), className="modal-actions"),
        ],
        id="study-comment-edit-ask",
        title=tr("Edit comment"),
        centered=True,
        opened=False,
    )


def _delete_question() -> dmc.Modal:
    return dmc.Modal(
        [
            html.P(tr("Its text is deleted for everyone. That there was a comment stays.")),
            html.P(id="study-comment-delete-problem", className="problem", role="alert"),
            html.Div(
                dmc.Button(tr("Delete comment"), id="study-comment-delete-yes", color="red"), className="modal-actions"
            ),
        ],
        id="study-comment-delete-ask",
        title=tr("Delete this comment?"),
        centered=True,
        opened=False,
    )


def register() -> None:
    """Declare what a review does. By each application anew, for Dash gives callbacks to the first that it serves."""
    approval.register()
    study, reviewed = State("study-id", "data"), State("study-reviewed", "data")
    writing(
        Output("study-tags", "value"),
        Output("study-tags-problem", "children"),
        Input("study-tags", "value"),
        study,
        prevent_initial_call=True,
    )(set_tags)
    writing(
        Output("study-comment", "value"),
        Output("study-comment-problem", "children"),
        Output("study-reviewed", "data"),
        Input("study-comment-send", "n_clicks"),
        State("study-comment", "value"),
        study,
        reviewed,
        prevent_initial_call=True,
    )(comment)
    writing(
        Output("study-comment-edit-ask", "opened"),
        Output("study-comment-edited", "value"),
        Output("study-comment-id", "data"),
        Output("study-comment-edit-problem", "children"),
        Output("study-reviewed", "data", allow_duplicate=True),
        Input({"type": "study-comment-edit", "comment": ALL}, "n_clicks"),
        Input("study-comment-save", "n_clicks"),
        State("study-comment-edited", "value"),
        State("study-comment-id", "data"),
        study,
        reviewed,
        prevent_initial_call=True,
    )(edit)
    writing(
        Output("study-comment-delete-ask", "opened"),
        Output("study-comment-id", "data", allow_duplicate=True),
        Output("study-comment-delete-problem", "children"),
        Output("study-reviewed", "data", allow_duplicate=True),
        Input({"type": "study-comment-delete", "comment": ALL}, "n_clicks"),
        Input("study-comment-delete-yes", "n_clicks"),
        State("study-comment-id", "data"),
        study,
        reviewed,
        prevent_initial_call=True,
    )(delete)
    reading(
        Output("study-comments", "children"),
        Output("study-approvals", "children"),
        Output("study-approval", "children"),
        Output("study-actions", "children"),
        Input("study-reviewed", "data"),
        Input("study-version", "data"),
        study,
        prevent_initial_call=True,
    )(show_review)


async def set_tags(wanted: list[str], study: int) -> Any:
    """Keep the tags as they are in the field; where they are refused, it shows those that are kept."""
    api = client()
    try:
        view = await api.study(study)
        if view.tags == wanted:
            return no_update, ""
        return (await api.set_tags(study, wanted)).tags, ""
    except ApiProblem as problem:
        return view.tags if problem.status in (409, 422) else no_update, problem.detail


async def comment(clicks: int | None, text: str | None, study: int, reviewed: int) -> Any:
    """Write a comment; a refused one stays in its field."""
    if not clicks:
        return no_update, no_update, no_update
    try:
        await client().add_comment(study, text or "")
    except ApiProblem as problem:
        return no_update, problem.detail, no_update
    return "", "", reviewed + 1


async def edit(
    clicks: list[int | None], _: int | None, text: str | None, wanted: int | None, study: int, reviewed: int
) -> Any:
    """Open a comment to be edited, or keep its new text."""
    api = client()
    try:
        if ctx.triggered_id == "study-comment-save" and wanted is not None:
            await api.edit_comment(study, wanted, text or "")
            return False, no_update, no_update, "", reviewed + 1
        asked = _asked(clicks)
        if asked is None:
            return [no_update] * 5
        found = next((entry for entry in await api.comments(study) if entry.id == asked), None)
    except ApiProblem as problem:
        return no_update, no_update, no_update, problem.detail, no_update
    return True, found.text if found else "", asked, "", no_update


async def delete(clicks: list[int | None], _: int | None, wanted: int | None, study: int, reviewed: int) -> Any:
    """Ask, then delete a comment."""
    if ctx.triggered_id != "study-comment-delete-yes":
        asked = _asked(clicks)
        return [no_update] * 4 if asked is None else (True, asked, "", no_update)
    try:
        await client().delete_comment(study, wanted or 0)
    except ApiProblem as problem:
        return no_update, no_update, problem.detail, no_update
    return False, no_update, "", reviewed + 1


def _asked(clicks: list[int | None]) -> int | None:
    """The comment whose button was clicked; None where buttons have only appeared."""
    return int(ctx.triggered_id["comment"]) if any(clicks) and isinstance(ctx.triggered_id, dict) else None


async def show_review(_: int, __: str, study: int) -> Any:
    """Comments and approvals as they are now."""
    api = client()
    try:
        view, said, approvals = await api.study(study), await api.comments(study), await api.approvals(study)
    except ApiProblem:
        return [no_update] * 4
    return listed(said), approval.history(approvals), approval.badge(view.approval), actions.buttons(view)
