"""The hyper-parameters of the chosen methods: one form for each, generated from its schema."""

from collections.abc import Mapping
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, ClientsideFunction, Input, Output, State, clientside_callback, dcc, html
from pydantic import JsonValue

from app.language import mark, tr
from app.schemas import HyperparameterField, MethodCard
from app.ui.elements import panel
from peft_core.method import method_class

Row = dict[str, Any]
"""A chosen row: {"method": name, "fixed": the hyper-parameters that a preset fixes, "label": what tells it apart}, and
"learning_rates" where a link names some."""

MOST_OPEN = 5
"""Of more chosen methods than this the forms are closed, and drawn when they are opened."""


GRIDS = ("5", "3", "1")
TUNINGS = {"grid": mark("All with the whole budget"), "halving": mark("Halve after a first rung")}


def hyperparameter_step(
    methods: list[MethodCard], values: Mapping[str, Mapping[str, JsonValue]], grid: str, tuning: str
) -> list[Any]:
    """The grid of learning rates, which all methods share, and the forms of the methods that are chosen."""
    rates = dmc.Select(
        id="study-grid",
        label=tr("Learning rates per method"),
        value=grid,
        allowDeselect=False,
        data=[{"value": value, "label": value if value != "1" else tr("1: no tuning")} for value in GRIDS],
        description=tr("Around each method's own centre, one seed each; the best on validation is taken."),
    )
    how = dmc.Select(
        id="study-tuning",
        label=tr("How they are tried"),
        value=tuning,
        allowDeselect=False,
        data=[{"value": value, "label": tr(label)} for value, label in TUNINGS.items()],
        description=tr(
            "Halving trains each for a quarter of the steps first (soft prompts for half) and only the better half of"
            " them with the whole budget: cheaper, and now and then another rate. Three are too few for it."
        ),
    )
    return [
        panel(tr("Learning rates"), html.Div([rates, how], className="fields halves"), html.Div(id="study-rates")),
        panel(tr("What each method can be told"), hyperparameter_forms(methods, values)),
    ]


def hyperparameter_forms(
    methods: list[MethodCard], values: Mapping[str, Mapping[str, JsonValue]] | None = None
) -> list[Any]:
    """A place for the chosen methods' forms, and the forms of all: drawing those that nobody asked for takes a browser
    seconds. values: what is set of a method, where it is not the default; kept while its form is not drawn."""
    forms = {card.name: _form(card) for card in methods if card.hyperparameters}
    words = {
        "rows": tr("Rows: {rows}. What tells them apart is the preset\u2019s."),
        "none": tr("Choose a method to see what it can be told."),
        "nothing": tr("The chosen methods have nothing to set but their learning rates."),
    }
    return [
        html.Div(id="method-forms"),
        html.P(id="method-forms-note", className="quiet"),
        dcc.Store(id="forms-of-methods", data=forms),
        dcc.Store(id="forms-words", data=words),
        dcc.Store(id="forms-opened", data=[]),
        dcc.Store(id="hyperparameters-set", data=dict(values or {})),
    ]


def _form(card: MethodCard) -> html.Details:
    """Its parts are in the order in which the browser fills them: title, rows, fields."""
    title = html.H3(tr("{method}: hyper-parameters", method=card.title))
    return html.Details(
        [
            html.Summary(title, id={"type": "form-title", "method": card.name}),
            html.P("", className="quiet"),
            html.Div([_field(card.name, field) for field in card.hyperparameters], className="fields"),
        ],
        className="hyper",
    )


def _field(method: str, field: HyperparameterField) -> Any:
    identity = {"type": "hyperparameter", "method": method, "field": field.name}
    described = _description(field)
    if field.choices:
        data = [{"value": choice, "label": choice.replace("_", " ")} for choice in field.choices]
        return dmc.Select(
            id=identity, label=field.title, description=described, value=field.default, data=data, allowDeselect=False
        )
    if field.type == "boolean":
        # A choice of two rather than a switch: a switch keeps its state in a property of its own.
        data = [{"value": "true", "label": tr("yes")}, {"value": "false", "label": tr("no")}]
        value = "true" if field.default else "false"
        return dmc.Select(
            id=identity, label=field.title, description=described, value=value, data=data, allowDeselect=False
        )
    if field.type == "string":
        return dmc.TextInput(id=identity, label=field.title, description=described, value=str(field.default))
    # Bounds are the API's to enforce: its sentence says what the model allows, which a form cannot know.
    return dmc.NumberInput(
        id=identity,
        label=field.title,
        description=described,
        value=field.default,
        allowDecimal=field.type == "number",
        step=1 if field.type == "integer" else 0.05,
        clampBehavior="none",
    )


def _description(field: HyperparameterField) -> str:
    """What it does, what is recommended, and what is valid whatever the base model is."""
    said = [field.effect]
    if field.recommended:
        low, high = field.recommended
        said.append(tr("Recommended {low} to {high}.", low=_short(low), high=_short(high)))
    if field.minimum is not None and field.maximum is not None:
        said.append(tr("Valid from {low} to {high}.", low=_short(field.minimum), high=_short(field.maximum)))
    elif field.minimum is not None:
        said.append(tr("Valid from {low} on.", low=_short(field.minimum)))
    return " ".join(said)


def _short(bound: float) -> str:
    """1e-6, 0.99, 1000000."""
    return f"{bound:g}".replace("e-0", "e-") if bound < 1 else f"{bound:.10g}"


def method_entries(chosen: list[Row], values: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The study document's `methods`: each method's own values, what was set of it, and what a preset fixes."""
    return [
        {
            "method": row["method"],
            "hyperparameters": method_class(row["method"])().model_dump()
            | {name: _truth(value) for name, value in values.get(row["method"], {}).items()}
            | row["fixed"],
        }
        | ({"learning_rates": row["learning_rates"]} if "learning_rates" in row else {})
        for row in chosen
    ]


def _truth(value: Any) -> Any:
    """A choice of yes and no says "true" or "false"."""
    return {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value


def register() -> None:
    """Declare what the panel does. By each application anew, for Dash gives callbacks to the first that it serves."""
    drawn = {"type": "hyperparameter", "method": ALL, "field": ALL}
    clientside_callback(
        f"(...given) => dash_clientside.launch.forms({MOST_OPEN}, ...given)",
        Output("method-forms", "children"),
        Output("method-forms-note", "children"),
        Output("forms-opened", "data"),
        Input("methods-chosen", "data"),
        Input("step-now", "data"),
        Input({"type": "form-title", "method": ALL}, "n_clicks"),
        State("forms-of-methods", "data"),
        State("forms-words", "data"),
        State("forms-opened", "data"),
        State("hyperparameters-set", "data"),
    )
    clientside_callback(
        ClientsideFunction("launch", "collect"),
        Output("hyperparameters-set", "data"),
        Input(drawn, "value"),
        State(drawn, "id"),
        State("hyperparameters-set", "data"),
        State("forms-of-methods", "data"),
        prevent_initial_call=True,
    )
