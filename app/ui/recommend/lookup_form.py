"""The form of a case to look up: base model, task, device, and what it is chosen for."""

from typing import Any

import dash_mantine_components as dmc
from dash import html

from app.language import mark, tr
from app.ui.launch.budget import DEVICES
from app.ui.numbers import format_value
from app.ui.recommend.case import CONSTRAINT_FIELDS
from app.ui.recommend.lookup_case import Choices, LookedUp
from peft_core.scenario import ConstraintName

OWN = "own"
"""A base model or a dataset that is not registered."""
UNRANKED = "none"
ARCHITECTURES = {
    "encoder": mark("encoder (BERT)"),
    "decoder": mark("decoder (Llama)"),
    "encoder-decoder": mark("encoder-decoder (T5)"),
}
LIMITS: tuple[ConstraintName, ...] = tuple(CONSTRAINT_FIELDS)
FIELDS = ("base", "architecture", "parameters", "task", "kind", "items", "length", "device", "epochs", "batch")


def lookup_form(there: Choices, case: LookedUp) -> html.Section:
    """Everything of the case; what a registered model or task says by itself is hidden."""
    limits = html.Div([_limit(name, case) for name in LIMITS], className="lookup-fields")
    return html.Section(
        [
            html.H2(tr("Your case")),
            html.Div([*_base(there, case), *_task(there, case)], className="lookup-fields"),
            html.Div([*_training(case), _scenario(there, case), _floor(case)], className="lookup-fields"),
            html.Details([html.Summary(tr("Limits")), limits], className="more", open=bool(case.constraints)),
        ],
        className="panel lookup-form",
        **{"aria-label": tr("Your case")},
    )


def _base(there: Choices, case: LookedUp) -> list[Any]:
    models = [
        {
            "value": model.name,
            "label": tr("{name} ({count} parameters)", name=model.name, count=format_value(model.parameters, "count")),
        }
        for model in there.models
    ]
    size = [
        _select(
            "architecture",
            tr("Architecture"),
            case.architecture,
            {key: tr(ARCHITECTURES[key]) for key in ARCHITECTURES},
        ),
        _integer("parameters", tr("Parameters"), case.parameters),
    ]
    return [
        _select(
            "base",
            tr("Base model"),
            case.base_model or OWN,
            [*models, {"value": OWN, "label": tr("another, by its size")}],
        ),
        html.Div(size, id="lookup-size", className="lookup-pair", style=_shown(not case.base_model)),
    ]


def _task(there: Choices, case: LookedUp) -> list[Any]:
    tasks = [{"value": task.name, "label": task.title} for task in there.tasks]
    data = [
        _select("kind", tr("Kind of task"), case.kind, {kind.name: kind.title for kind in there.kinds}),
        _integer("items", tr("Training items"), case.items),
    ]
    return [
        _select("task", tr("Data"), case.task or OWN, [{"value": OWN, "label": tr("my own")}, *tasks]),
        html.Div(data, id="lookup-data", className="lookup-pair", style=_shown(not case.task)),
    ]


def _training(case: LookedUp) -> list[Any]:
    devices = {name: tr(title) for name, title in DEVICES.items() if name != "any"}
    return [
        _integer("length", tr("Longest item, tokens"), case.length),
        _select("device", tr("Device"), case.device, devices),
        _integer("epochs", tr("Epochs"), case.epochs),
        _integer("batch", tr("Batch size"), case.batch),
    ]


def _scenario(there: Choices, case: LookedUp) -> Any:
    scenarios = {UNRANKED: tr("nothing: figures only"), **{card.key: card.title for card in there.scenarios}}
    return _select("scenario", tr("Scenario"), case.scenario or UNRANKED, scenarios)


def _floor(case: LookedUp) -> Any:
    value = float(f"{100 * case.floor:.6g}")
    return dmc.NumberInput(
        id="lookup-floor",
        label=tr("Keep, % of full's gain"),
        value=value,
        min=0,
        max=100,
        step=1,
        size="xs",
        debounce=400,
    )


def _limit(name: ConstraintName, case: LookedUp) -> Any:
    limit, described = case.constraints.get(name), CONSTRAINT_FIELDS[name]
    return dmc.NumberInput(
        id={"type": "lookup-limit", "name": name},
        label=described.label(),
        value="" if limit is None else float(f"{limit / described.scale:.6g}"),
        placeholder=tr("no limit"),
        min=0,
        step=described.step,
        size="xs",
        debounce=400,
    )


def _select(name: str, label: str, value: str, data: Any) -> Any:
    options = data if isinstance(data, list) else [{"value": key, "label": title} for key, title in data.items()]
    return dmc.Select(id=f"lookup-{name}", label=label, value=value, data=options, allowDeselect=False, size="xs")


def _integer(name: str, label: str, value: int) -> Any:
    return dmc.NumberInput(
        id=f"lookup-{name}",
        label=label,
        value=value,
        allowDecimal=False,
        allowNegative=False,
        thousandSeparator=" ",
        size="xs",
        debounce=400,
    )


def _shown(shown: bool) -> dict[str, str]:
    return {} if shown else {"display": "none"}
