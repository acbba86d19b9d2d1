"""The budget of a new study, equal for all its methods."""

from typing import Any

import dash_mantine_components as dmc
from dash import html

from app.language import mark, tr
from app.ui.elements import panel
from app.ui.launch.opening import Filling

DEVICES = {"any": mark("whichever a worker has"), "cpu": mark("a CPU"), "cuda": mark("a CUDA device")}


def budget_panel(form: Filling) -> html.Section:
    """Length, batch and seeds; and, folded away, what most studies leave as it is."""
    budget = form.budget
    length = ("epochs", budget.epochs) if budget.epochs is not None else ("steps", budget.steps)
    fields = [
        dmc.Select(
            id="study-length-kind",
            label=tr("Length in"),
            value=length[0],
            allowDeselect=False,
            data=[{"value": "epochs", "label": tr("epochs")}, {"value": "steps", "label": tr("optimizer steps")}],
        ),
        _number("study-length", tr("How many"), length[1]),
        _number("study-batch", tr("Batch size"), budget.batch_size),
        _number("study-max-length", tr("Longest item, tokens"), budget.max_length),
        _number("study-seeds", tr("Seeds"), form.seeds, tr("Three are a smoke test, five the default.")),
        dmc.Select(
            id="study-device",
            label=tr("Device"),
            value=form.device,
            allowDeselect=False,
            data=[{"value": value, "label": tr(label)} for value, label in DEVICES.items()],
        ),
    ]
    more = [
        _number(
            "study-evaluations",
            tr("Validations on the way"),
            budget.evaluations,
            tr("Evenly spread; the last is at the end."),
        ),
        _number(
            "study-patience",
            tr("Patience"),
            budget.patience,
            tr("To convergence: a run ends after so many validations without a better one. Empty: equal steps."),
        ),
        _number(
            "study-accumulation",
            tr("Parts of a batch"),
            budget.accumulation,
            tr("More parts need less memory and give the same gradient."),
        ),
        dmc.Select(
            id="study-checkpointing",
            label=tr("Gradient checkpointing"),
            description=tr("Less memory for about a third more time."),
            value="yes" if budget.gradient_checkpointing else "no",
            allowDeselect=False,
            data=[{"value": "no", "label": tr("no")}, {"value": "yes", "label": tr("yes")}],
        ),
    ]
    folded = html.Details([html.Summary(tr("More")), html.Div(more, className="fields")], className="more")
    return panel(tr("Budget, equal for all"), [html.Div(fields, className="fields"), folded])


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
