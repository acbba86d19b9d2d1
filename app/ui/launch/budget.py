"""The budget of a new study, equal for all its methods."""

from typing import Any

import dash_mantine_components as dmc
from dash import html

from app.ui.elements import panel
from app.ui.launch.filling import Filling

DEVICES = {"any": "whichever a worker has", "cpu": "a CPU", "cuda": "a CUDA device"}


def budget_panel(form: Filling) -> html.Section:
    """Length, batch, seeds and grid; and, folded away, what most studies leave as it is."""
    budget = form.budget
    length = ("epochs", budget.epochs) if budget.epochs is not None else ("steps", budget.steps)
    fields = [
        dmc.Select(
            id="study-length-kind",
            label="Length in",
            value=length[0],
            allowDeselect=False,
            data=[{"value": "epochs", "label": "epochs"}, {"value": "steps", "label": "optimizer steps"}],
        ),
        _number("study-length", "How many", length[1]),
        _number("study-batch", "Batch size", budget.batch_size),
        _number("study-max-length", "Longest item, tokens", budget.max_length),
        _number("study-seeds", "Seeds", form.seeds, "Three are a smoke test, five the default."),
        dmc.Select(
            id="study-grid",
            label="Learning rates per method",
            value=form.grid,
            allowDeselect=False,
            data=[{"value": value, "label": label} for value, label in (("5", "5"), ("3", "3"), ("1", "1: no tuning"))],
        ),
        dmc.Select(
            id="study-device",
            label="Device",
            value=form.device,
            allowDeselect=False,
            data=[{"value": value, "label": label} for value, label in DEVICES.items()],
        ),
    ]
    more = [
        _number(
            "study-evaluations", "Validations on the way", budget.evaluations, "Evenly spread; the last is at the end."
        ),
        _number(
            "study-patience",
            "Patience",
            budget.patience,
            "To convergence: a run ends after so many validations without a better one. Empty: equal steps.",
        ),
        _number(
            "study-accumulation",
            "Parts of a batch",
            budget.accumulation,
            "More parts need less memory and give the same gradient.",
        ),
        dmc.Select(
            id="study-checkpointing",
            label="Gradient checkpointing",
            description="Less memory for about a third more time.",
            value="yes" if budget.gradient_checkpointing else "no",
            allowDeselect=False,
            data=[{"value": "no", "label": "no"}, {"value": "yes", "label": "yes"}],
        ),
    ]
    folded = html.Details([html.Summary("More"), html.Div(more, className="fields")], className="more")
    return panel("Budget, equal for all", [html.Div(fields, className="fields"), folded])


def _number(identity: str, label: str, value: int | None, description: str | None = None) -> Any:
    return dmc.NumberInput(
        id=identity,
        label=label,
        value="" if value is None else value,
        description=description,
        allowDecimal=False,
        clampBehavior="none",
    )


def budget_document(field: dict[str, Any]) -> dict[str, Any]:
    """The study document's `budget`, from the fields' values by name; an empty patience is none."""
    return {
        field["length-kind"]: field["length"],
        "batch_size": field["batch"],
        "max_length": field["max-length"],
        "evaluations": field["evaluations"],
        "patience": None if field["patience"] == "" else field["patience"],
        "accumulation": field["accumulation"],
        "gradient_checkpointing": field["checkpointing"] == "yes",
    }
