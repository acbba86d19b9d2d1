"""What a person can do with a study: take it away, stop it, delete it."""

import dash_mantine_components as dmc
from dash import Input, Output, clientside_callback, html

from app.language import mark, tr
from app.schemas import StudyView
from app.ui.study import approval

EXPORTS = {
    "html": mark("Report (HTML)"),
    "csv": mark("Cells (CSV)"),
    "md": mark("Cells (Markdown)"),
    "json": mark("All results (JSON)"),
    "yaml": mark("Study document (YAML)"),
}

COPY = """async (clicks) => {
    if (!clicks) return window.dash_clientside.no_update;
    const words = document.getElementById('study-copy').dataset;
    try {
        await navigator.clipboard.writeText(window.location.href);
        return words.copied;
    } catch {
        return words.address;
    }
}"""
"""A browser gives its clipboard to pages of this machine and of https only."""


def buttons(view: StudyView) -> html.Div:
    running = view.status in ("queued", "running")
    files = [
        html.Li(html.A(tr(words), href=f"/api/v1/studies/{view.id}/export?format={kind}", download=""))
        for kind, words in EXPORTS.items()
    ]
    export = dmc.Popover(
        [
            dmc.PopoverTarget(dmc.Button(tr("Export"), id="study-export", variant="default", size="xs")),
            dmc.PopoverDropdown(html.Ul(files, className="export-files")),
        ],
        position="bottom-end",
        shadow="md",
        trapFocus=True,
        returnFocus=True,
        withRoles=False,
    )
    stop = dmc.Button(
        tr("Cancel study"), id="study-cancel", variant="default", size="xs", display=None if running else "none"
    )
    delete = dmc.Button(
        tr("Delete"), id="study-delete", variant="default", size="xs", display="none" if running else None
    )
    comment = html.A(tr("Comment"), href="#study-team", className="button button-plain button-small")
    return html.Div([stop, delete, comment, _copy_link(), export, approval.button(view)], className="page-actions")


def _copy_link() -> dmc.Button:
    """The address of the page as it is seen: a link to it shows the same."""
    said = {"data-copied": tr("Link copied"), "data-address": tr("Copy the address of this page")}
    return dmc.Button(tr("Copy link"), id="study-copy", variant="default", size="xs", **said)


def confirmations(view: StudyView) -> html.Div:
    """Both cannot be undone, so both ask first and say what is lost."""
    return html.Div(
        [
            _confirm(
                "cancel",
                tr("Cancel this study?"),
                tr("Queued runs are dropped and running ones stop. What has been measured stays."),
                tr("Cancel study"),
                tr("Keep running"),
            ),
            _confirm(
                "delete",
                tr("Delete this study?"),
                tr("{study}: its runs, measurements and logs are deleted. This cannot be undone.", study=view.name),
                tr("Delete study"),
                tr("Keep it"),
            ),
        ]
    )


def _confirm(what: str, title: str, text: str, yes: str, no: str) -> dmc.Modal:
    return dmc.Modal(
        [
            html.P(text),
            html.P(id=f"study-{what}-problem", className="problem", role="alert"),
            html.Div(
                [
                    dmc.Button(no, id=f"study-{what}-no", variant="default"),
                    dmc.Button(yes, id=f"study-{what}-yes", color="red"),
                ],
                className="modal-actions",
            ),
        ],
        id=f"study-{what}-ask",
        title=title,
        centered=True,
        opened=False,
    )


def register() -> None:
    """Declare what copies the link. By each application anew, for Dash gives callbacks to the first that it serves."""
    clientside_callback(
        COPY, Output("study-copied", "children"), Input("study-copy", "n_clicks"), prevent_initial_call=True
    )
