"""What a person can do with a study: take it away, stop it, delete it."""

import dash_mantine_components as dmc
from dash import html

from app.schemas import StudyView

EXPORTS = {
    "html": "Report (HTML)",
    "csv": "Cells (CSV)",
    "md": "Cells (Markdown)",
    "json": "All results (JSON)",
    "yaml": "Study document (YAML)",
}


def buttons(view: StudyView) -> html.Div:
    running = view.status in ("queued", "running")
    export = dmc.Menu(
        [
            dmc.MenuTarget(dmc.Button("Export", variant="default", size="xs")),
            dmc.MenuDropdown(
                [
                    dmc.MenuItem(words, href=f"/api/v1/studies/{view.id}/export?format={kind}", refresh=True)
                    for kind, words in EXPORTS.items()
                ]
            ),
        ],
        position="bottom-end",
    )
    stop = dmc.Button(
        "Cancel study", id="study-cancel", variant="default", size="xs", display=None if running else "none"
    )
    delete = dmc.Button("Delete", id="study-delete", variant="default", size="xs", display="none" if running else None)
    return html.Div([stop, delete, export], className="page-actions")


def confirmations(view: StudyView) -> html.Div:
    """Both cannot be undone, so both ask first and say what is lost."""
    return html.Div(
        [
            _confirm(
                "cancel",
                "Cancel this study?",
                "Queued runs are dropped and running ones stop. What has been measured stays.",
                "Cancel study",
                "Keep running",
            ),
            _confirm(
                "delete",
                "Delete this study?",
                f"{view.name}: its runs, measurements and logs are deleted. This cannot be undone.",
                "Delete study",
                "Keep it",
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
