"""The page before there are two studies to compare."""

from typing import Any

from dash import html

from app.language import tr
from app.schemas import StudiesCompared
from app.ui.compare.matrix import left_out
from app.ui.states import empty


def too_few(found: StudiesCompared) -> html.Div:
    """What to do, and why what there is does not count."""
    why = tr(
        "Methods are compared across studies of one kind of task, each with an untuned row, full fine-tuning and two"
        " methods. Launch studies on other datasets or base models, or import published results."
    )
    actions = [
        (tr("New study"), "/studies/new"),
        (tr("Import results"), "/import"),
        *([(tr("All studies"), "/studies")] if found.studies or found.left_out else []),
    ]
    head = html.Header([html.H1(tr("Compare"))], className="page-head")
    title = tr("It takes two studies") if not found.studies else tr("One study more")
    parts: list[Any] = [head, html.Section(empty(title, why, actions), className="panel")]
    if found.left_out:
        parts.append(html.Section([html.H2(tr("Studies left out")), left_out(found)], className="panel"))
    return html.Div(parts, className="compare")
