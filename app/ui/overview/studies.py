"""The studies: what each shows so far, how far it is, and in what state."""

from typing import Any

from dash import dcc, html

from app.language import mark, tr, trn
from app.schemas import StudyView
from app.ui.elements import moment, run_boxes, short_name, status_tag
from app.ui.sentences import sentence
from app.ui.states import empty

COLUMNS = (mark("Study"), mark("What it shows so far"), mark("Runs"), mark("State"))


def study_table(studies: list[StudyView]) -> Any:
    """A row for each study; where there is none, the ways to the first."""
    if not studies:
        return empty(
            tr("No study yet"),
            tr("A study compares methods on one task with one budget. Launch one, or try the quickstart."),
            [(tr("New study"), "/studies/new"), (tr("Import results"), "/import"), (tr("Read the guide"), "/guide")],
        )
    head = html.Tr([html.Th(tr(title)) for title in COLUMNS])
    rows = [_row(study) for study in studies]
    return html.Div(
        html.Table([html.Thead(head), html.Tbody(rows)], className="plain stacks"), className="table-scroll"
    )


def _row(study: StudyView) -> html.Tr:
    name = dcc.Link(study.name, href=f"/studies/{study.id}", className="study-link")
    seeds = study.document.seeds
    about = [
        short_name(study.document.base_model),
        " · ",
        trn("{count} seed", "{count} seeds", len(seeds) if isinstance(seeds, list) else seeds),
        " · ",
        moment(study.created_at, relative=True),
    ]
    return html.Tr(
        [
            html.Td(
                [html.Div(name, **{"data-id": str(study.id)}), html.Div(about, className="quiet", **{"data-label": ""})]
            ),
            html.Td(sentence(study.finding)),
            html.Td(run_boxes(study)),
            html.Td(html.Div([status_tag(study.status), *_review(study)], className="states")),
        ]
    )


def _review(study: StudyView) -> list[html.Span]:
    """Where the study stands with its reviewers, once there is something to review."""
    if study.status != "succeeded":
        return []
    approval = study.approval
    if approval is not None and approval.state == "approved":
        changed = approval.changed_since
        words = tr("changed since its approval") if changed else tr("approved")
        return [html.Span(words, className="tag tag-warn" if changed else "tag")]
    return [html.Span(tr("to review"), className="tag tag-warn")]
