"""What stands in the form of a new study, as the study document that it would launch."""

from collections.abc import Mapping
from typing import Any

from dash import Input, State

from app.ui.launch.budget import budget_document
from app.ui.launch.hyperparameters import Row, method_entries
from app.ui.launch.opening import OWN, REFERENCES, with_kept
from app.ui.launch.task import ROLES, task_document

FIELDS = (
    *("name", "task", "dataset", "kind", "base-model", "base-model-path", "length-kind", "length", "batch"),
    *("max-length", "seeds", "grid", "tuning", "evaluations", "patience", "accumulation", "checkpointing", "device"),
    "references",
)
"""The fields whose ids are `study-…`."""


def form_as(kind: type[Input] | type[State]) -> dict[str, Any]:
    """Every value of the form, as inputs or as states of a callback whose argument is `form`."""
    return {
        "chosen": kind("methods-chosen", "data"),
        "field": {name: kind(f"study-{name}", "value") for name in FIELDS},
        "columns": {role: kind(f"study-{role}-column", "value") for role in ROLES},
        "values": kind("hyperparameters-set", "data"),
        "kind_columns": State("kind-columns", "data"),
        "kept": State("study-kept", "data"),
    }


def document_of(form: Mapping[str, Any]) -> dict[str, Any]:
    """The study document; nothing of it is checked."""
    field, chosen = form["field"], form["chosen"]
    kind, own_model = field["kind"], field["base-model"] == OWN
    document = {
        "name": field["name"],
        "base_model": (field["base-model-path"] or "").strip() if own_model else field["base-model"],
        "task": task_document(
            field["task"], field["dataset"] or "", kind, form["columns"], form["kind_columns"].get(kind, {})
        ),
        "budget": budget_document(field),
        "seeds": field["seeds"],
        "grid_points": int(field["grid"]),
        "tuning": field["tuning"],
        "methods": method_entries(chosen, form["values"]),
        "references": [name for name in REFERENCES if name in field["references"]],
        "device": None if field["device"] == "any" else field["device"],
    }
    return with_kept(document, form["kept"])


def component_of(field: str, document: Mapping[str, Any], message: str) -> str | None:
    """The part of the form that a field of the document stands in: a component's id, "method field" for a
    hyper-parameter, None where no field of the form holds it."""
    name, _, rest = field.partition(".")
    if name == "methods":
        return _hyperparameter(rest, document)
    if name == "budget":
        return BUDGET.get(rest) or next((BUDGET[word] for word in BUDGET if message.startswith(word)), "study-length")
    if name == "task" and rest:
        return TASK.get(rest.partition(".")[0], "study-dataset")
    return PLAIN.get(name)


def _hyperparameter(rest: str, document: Mapping[str, Any]) -> str | None:
    place, _, field = rest.partition(".")
    if not place.isdigit() or not field.startswith("hyperparameters."):
        return None
    method: Row = document["methods"][int(place)]
    return f"{method['method']} {field.removeprefix('hyperparameters.')}"


BUDGET = {
    "epochs": "study-length",
    "steps": "study-length",
    "batch_size": "study-batch",
    "max_length": "study-max-length",
    "accumulation": "study-accumulation",
    "evaluations": "study-evaluations",
    "patience": "study-patience",
    "gradient_checkpointing": "study-checkpointing",
}
TASK = {"dataset": "study-dataset", "kind": "study-kind"} | {role: f"study-{role}-column" for role in ROLES}
PLAIN = {
    "name": "study-name",
    "task": "study-task",
    "base_model": "study-base-model",
    "seeds": "study-seeds",
    "grid_points": "study-grid",
    "tuning": "study-tuning",
    "device": "study-device",
    "references": "study-references",
}
ON_STEP = (
    {"study-name", "study-task", *TASK.values()},
    {"study-references"},
    {"study-grid", "study-tuning"},
    {"study-base-model", "study-base-model-path"},
    {*BUDGET.values(), "study-seeds", "study-device"},
)
"""The components of the first five steps."""


def step_of(field: str, component: str | None) -> int:
    """The step on which a field of the document is changed: of what the form has no field for, the last."""
    for step, components in enumerate(ON_STEP, start=1):
        if component in components:
            return step
    if field.startswith("methods"):
        return 3 if ".hyperparameters." in field else 2
    return 7
