"""What launching would refuse: where in the form each of it belongs, and what leads there."""

from collections.abc import Mapping
from typing import Any

from dash import html

from app.language import tr, trn
from app.schemas import FieldProblem
from app.ui.launch.draft import component_of, step_of
from app.ui.launch.steps import STEPS


def with_some_dataset(document: Mapping[str, Any]) -> dict[str, Any]:
    """The document, its dataset and text column called something where nobody has named them yet: what does not depend
    on them can be told all the same."""
    if isinstance(document["task"], str):
        return dict(document)
    return dict(document) | {"task": {"text": "-"} | document["task"] | {"dataset": document["task"]["dataset"] or "-"}}


def unnamed_dataset(document: Mapping[str, Any]) -> list[FieldProblem]:
    """That the dataset or its text column is not named; said before what the API says of the stand-in."""
    task = document["task"]
    if isinstance(task, str):
        return []
    if not task["dataset"]:
        return [FieldProblem(field="task.dataset", message=tr("Upload a dataset, or name one."))]
    return [] if "text" in task else [FieldProblem(field="task.text", message=tr("Name the column of texts."))]


def placed(found: list[FieldProblem], document: Mapping[str, Any]) -> dict[str, Any]:
    """The problems by the part of the form they belong to, and how many each step has."""
    fields: dict[str, str] = {}
    steps: dict[str, int] = {}
    listed = []
    unnamed = bool(unnamed_dataset(document))
    for place, one in enumerate(found):
        if unnamed and place and one.field.startswith("task."):
            continue
        component = component_of(one.field, document, one.message)
        step = step_of(one.field, component)
        if component is not None:
            fields.setdefault(component, one.message)
        steps[str(step)] = steps.get(str(step), 0) + 1
        listed.append({"step": step, "message": one.message, "field": one.field})
    return {"fields": fields, "steps": steps, "listed": listed}


def to_fix(problems: dict[str, Any]) -> list[Any]:
    """What launching would refuse, each with a way to its step."""
    listed = problems["listed"]
    if not listed:
        return []
    entries = [
        html.Li(
            html.Button(
                [html.B(tr(STEPS[one["step"] - 1])), " ", one["message"]],
                id={"type": "step-link", "number": one["step"], "place": place},
                className="to-fix",
                type="button",
            )
        )
        for place, one in enumerate(listed)
    ]
    icon = html.Span(className="icon icon-warn", **{"aria-hidden": "true"})
    said = trn("{count} thing to fix before launching", "{count} things to fix before launching", len(listed))
    return [html.Div([html.B([icon, said]), html.Ul(entries)], className="note note-warn fixes")]
