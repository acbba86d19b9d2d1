"""Studies to start from: a YAML document that a person brings, and the templates that a team keeps."""

from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Input, Output, State, clientside_callback, ctx, html, no_update

from app.client import ApiProblem
from app.language import filled, tr
from app.schemas import StudyDocument, TemplateView
from app.ui.launch.link import study_address
from app.ui.policy import reading, writing
from app.ui.session import client


def document_buttons() -> list[Any]:
    """What opens the two windows."""
    return [
        html.Button(tr("Import YAML"), id="yaml-open", className="button button-plain", type="button"),
        html.Button(tr("Templates"), id="templates-open", className="button button-plain", type="button"),
    ]


def document_windows() -> list[Any]:
    """The two windows, closed."""
    return [_yaml_window(), _templates_window()]


def _yaml_window() -> Any:
    area = dmc.Textarea(
        id="yaml-text",
        label=tr("A study document"),
        description=tr("As a study's page exports it and `peft-atlas study run` reads it."),
        value="",
        autosize=True,
        minRows=10,
        maxRows=18,
        classNames={"input": "mono"},
    )
    buttons = html.Div(
        [
            html.Button(tr("Choose a file"), className="button button-plain", type="button", **{"data-launch": "yaml"}),
            html.Button(tr("Fill the form in"), id="yaml-read", className="button", type="button"),
        ],
        className="row-of window-buttons",
    )
    body = [area, html.Div(id="yaml-problem", role="alert"), buttons]
    return dmc.Modal(
        body, id="yaml-window", title=tr("Import YAML"), opened=False, size="lg", closeButtonProps=_close()
    )


def _templates_window() -> Any:
    name = dmc.TextInput(id="template-name", label=tr("Save this form as a template"), value="")
    save = html.Button(tr("Save as template"), id="template-save", className="button", type="button")
    body = [
        html.Div([name, save], className="template-save"),
        html.Div(id="template-problem", role="status"),
        html.Div(id="template-list"),
    ]
    return dmc.Modal(
        body, id="templates-window", title=tr("Templates"), opened=False, size="lg", closeButtonProps=_close()
    )


def _close() -> dict[str, str]:
    return {"aria-label": tr("Close")}


async def read_yaml(clicks: int | None, text: str) -> Any:
    """The form filled in from a document, or what is wrong with it, by line and field."""
    if not clicks:
        return no_update, no_update
    try:
        document = await client().read_yaml(text or "")
    except ApiProblem as problem:
        return no_update, html.Div([html.B(tr("Not read.")), " ", problem.detail], className="note note-bad")
    return filled_in(document), None


def filled_in(document: StudyDocument) -> str:
    """The form's address with this document in it, at its review."""
    return f"{study_address(document)}&step=7"


async def show_templates(opened: bool, _saved: Any) -> Any:
    """The list, when the window opens and after each change."""
    if not opened:
        return no_update
    try:
        kept = await client().templates()
    except ApiProblem as problem:
        return html.Div(problem.detail, className="note note-bad")
    if not kept:
        return html.P(tr("None is kept yet."), className="quiet")
    return html.Ul([_entry(template) for template in kept], className="template-list")


def _entry(template: TemplateView) -> html.Li:
    when = html.Time(f"{template.created_at:%Y-%m-%d %H:%M}", dateTime=template.created_at.isoformat())
    said = filled("by {who}, {when}", who=template.created_by, when=when)
    name = {"aria-label": tr("Delete the template {name}", name=template.name)}
    return html.Li(
        [
            html.Div([html.A(template.name, href=filled_in(template.document)), html.Div(said, className="quiet")]),
            html.Button(
                tr("Delete"),
                id={"type": "template-delete", "id": template.id},
                className="button button-bad",
                type="button",
                **name,
            ),
        ]
    )


async def change_templates(
    save: int | None, _deletes: list[int | None], name: str, document: dict[str, Any] | None
) -> Any:
    """Keep the form under a name, or delete one."""
    asked = ctx.triggered_id
    try:
        if isinstance(asked, dict) and any(_deletes):
            await client().delete_template(asked["id"])
            return html.Div(tr("Deleted."), className="note note-plain"), no_update
        if asked != "template-save" or not save:
            return no_update, no_update
        if document is None:
            return _refused(tr("Complete what is marked in the form first.")), no_update
        if not (name or "").strip():
            return _refused(tr("Give the template a name.")), no_update
        kept = await client().keep_template(name.strip(), document)
    except ApiProblem as problem:
        return _refused(problem.detail), no_update
    return html.Div(tr("Saved as {name}.", name=kept.name), className="note note-plain"), ""


def _refused(detail: str) -> html.Div:
    return html.Div(detail, className="note note-bad")


def register() -> None:
    """Declare what the windows do. By each application anew, for Dash gives callbacks to the first that it serves."""
    for window in ("yaml", "templates"):
        clientside_callback(
            "clicks => Boolean(clicks)",
            Output(f"{window}-window", "opened"),
            Input(f"{window}-open", "n_clicks"),
            prevent_initial_call=True,
        )
    reading(
        Output("study-fill", "data"),
        Output("yaml-problem", "children"),
        Input("yaml-read", "n_clicks"),
        State("yaml-text", "value"),
        prevent_initial_call=True,
    )(read_yaml)
    # A new page: what was typed before is not to be mixed with what the document says.
    clientside_callback(
        "address => { if (address) window.location.assign(address); return dash_clientside.no_update; }",
        Output("study-fill", "id"),
        Input("study-fill", "data"),
        prevent_initial_call=True,
    )
    reading(
        Output("template-list", "children"),
        Input("templates-window", "opened"),
        Input("template-problem", "children"),
        prevent_initial_call=True,
    )(show_templates)
    writing(
        Output("template-problem", "children"),
        Output("template-name", "value"),
        Input("template-save", "n_clicks"),
        Input({"type": "template-delete", "id": ALL}, "n_clicks"),
        State("template-name", "value"),
        State("study-document", "data"),
        prevent_initial_call=True,
    )(change_templates)
