"""The budget of a new study, equal for all its methods."""

from typing import Any

import dash_mantine_components as dmc
from dash import html

from app.ui.elements import panel


def budget_panel() -> html.Section:
    """Length, batch, seeds and grid; and, folded away, what most studies leave as it is."""
    fields = [
        dmc.Select(
            id="study-length-kind",
            label="Length in",
            value="epochs",
            allowDeselect=False,
            data=[{"value": "epochs", "label": "epochs"}, {"value": "steps", "label": "optimizer steps"}],
        ),
        _number("study-length", "How many", 3),
        _number("study-batch", "Batch size", 8),
        _number("study-max-length", "Longest item, tokens", 64),
        _number("study-seeds", "Seeds", 5, "Three are a smoke test, five the default."),
        dmc.Select(
            id="study-grid",
            label="Learning rates per method",
            value="5",
            allowDeselect=False,
            data=[{"value": value, "label": label} for value, label in (("5", "5"), ("3", "3"), ("1", "1: no tuning"))],
        ),
    ]
    more = [
        _number("study-evaluations", "Validations on the way", 4, "Evenly spread; the last is at the end."),
        _number(
            "study-patience",
            "Patience",
            None,
            "To convergence: a run ends after so many validations without a better one. Empty: equal steps.",
        ),
        _number("study-accumulation", "Parts of a batch", 1, "More parts need less memory and give the same gradient."),
        dmc.Select(
            id="study-checkpointing",
            label="Gradient checkpointing",
            description="Less memory for about a third more time.",
            value="no",
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
