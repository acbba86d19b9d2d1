"""What waits for the reader, in one sentence."""

from typing import Any

from dash import dcc, html

from app.language import filledn, tr
from app.schemas import StudyView
from app.ui.numbers import by_formula, show

UNDER_WAY = ("queued", "running")
UNDER, REVIEW, FAILURES = "under way", "to review", "with failures"
"""How the formulas of the counts name them."""


def waiting(studies: list[StudyView]) -> list[Any]:
    """Studies under way, to be reviewed and with failures: each said only where there is one."""
    if not studies:
        return [tr("Nothing has been measured yet. The quickstart takes minutes.")]
    running = [study for study in studies if study.status in UNDER_WAY]
    ready = [study for study in studies if study.status == "succeeded" and not _approved(study)]
    failing = [study for study in studies if study.failures]
    clauses = [
        filledn("{number} study under way", "{number} studies under way", len(running), number=_count(running, UNDER)),
        filledn("{number} waits for your review", "{number} wait for your review", len(ready), number=_ready(ready)),
        filledn("{number} with failures", "{number} with failures", len(failing), number=_count(failing, FAILURES)),
    ]
    said = [clause for clause, found in zip(clauses, (running, ready, failing), strict=True) if found]
    if not said:
        return [tr("Nothing waits for you: every study has been reviewed.")]
    words = said[0]
    for clause in said[1:]:
        words = [*words, tr(", "), *clause]
    return [*words, tr(".")]


def _approved(study: StudyView) -> bool:
    approval = study.approval
    return approval is not None and approval.state == "approved" and not approval.changed_since


def _count(studies: list[StudyView], state: str) -> html.Span:
    return show(by_formula(len(studies), "count", f"studies(state {state})", exact=True))


def _ready(studies: list[StudyView]) -> Any:
    """One study to review is a link to it."""
    number = _count(studies, REVIEW)
    return dcc.Link(number, href=f"/studies/{studies[0].id}") if len(studies) == 1 else number
