"""The studies whose runs wait, the next first: which of them goes before the others is chosen here."""

from typing import Any

from dash import dcc, html

from app.language import filled, mark, tr
from app.schemas import StudyView

UNDER_WAY = ("queued", "running")
PLACES = {"first": (mark("First"), 5), "normal": (mark("Normal"), 0), "later": (mark("Later"), -5)}
"""What a person says, and the priority that it stands for; others, of a study's document, lie between."""


def study_rows(studies: list[StudyView]) -> Any:
    """Each study with its choice of place; equal ones take turns."""
    if not studies:
        return html.P(tr("No study waits. Its place in the queue is chosen here when one does."), className="quiet")
    ordered = sorted(studies, key=lambda study: (-study.document.priority, study.id))
    return html.Ul([_row(study) for study in ordered], className="queue-studies")


def _row(study: StudyView) -> html.Li:
    counts = filled(
        "{waiting} waiting, {running} running", waiting=str(study.counts.queued), running=str(study.counts.running)
    )
    name = dcc.Link(study.name, href=f"/studies/{study.id}", className="study-link")
    return html.Li([html.Div([name, html.Div(counts, className="quiet")]), _places(study)])


def _places(study: StudyView) -> html.Div:
    chosen = _place(study.document.priority)
    buttons = [
        html.Button(
            tr(words),
            id={"type": "queue-do", "action": place, "on": study.id},
            className="chip",
            type="button",
            **{
                "aria-pressed": "true" if place == chosen else "false",
                "aria-label": tr("{place}: {study}", place=tr(words), study=study.name),
            },
        )
        for place, (words, _) in PLACES.items()
    ]
    label = tr("Place of {study} in the queue", study=study.name)
    return html.Div(buttons, className="row-of", role="group", **{"aria-label": label})


def _place(priority: int) -> str:
    return "first" if priority > 0 else "later" if priority < 0 else "normal"
