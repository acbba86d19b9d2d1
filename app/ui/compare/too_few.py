"""The page before there are two studies to compare."""

from typing import Any

from dash import html

from app.language import tr
from app.schemas import StudiesCompared
from app.ui.compare.matrix import left_out
from app.ui.states import empty


def too_few(found: StudiesCompared) -> html.Div:
    """What to do, why what there is does not count, and the kinds of task that have more."""
    why = tr(
        "Methods are compared across studies of one kind of task, each with an untuned row, full fine-tuning and two"
        " methods. Launch studies on other datasets or base models, or import published results."
    )
    others = [one for one in found.kinds if one.kind != found.kind and one.studies > 1]
    actions = [
        (tr("New study"), "/studies/new"),
        (tr("Import results"), "/import"),
        *([(tr("All studies"), "/studies")] if found.studies or found.left_out else []),
        *((one.title, f"/compare?kind={one.kind}") for one in others),
    ]
    head = html.Header([html.H1(tr("Compare"))], className="page-head")
    title = tr("It takes two studies") if not found.studies else tr("One study more")
    parts: list[Any] = [head, html.Section(empty(title, why, actions), className="panel")]
    if found.left_out:
        parts.append(html.Section([html.H2(tr("Studies left out")), left_out(found)], className="panel"))
    return html.Div(parts, className="compare")
