"""The hyper-parameters of the chosen methods: one form for each, generated from its schema."""

from collections.abc import Mapping
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Input, Output, State, clientside_callback, dcc, html
from pydantic import JsonValue

from app.language import tr
from app.schemas import HyperparameterField, MethodCard
from app.ui.elements import panel

Row = dict[str, Any]
"""A chosen row: {"method": name, "fixed": the hyper-parameters that a preset fixes, "label": what tells it apart}, and
"learning_rates" where a link names some."""

MOST_OPEN = 5
"""Of more chosen methods than this the forms are closed: their titles say what can be changed."""


GRIDS = ("5", "3", "1")


def hyperparameter_step(
    methods: list[MethodCard], values: Mapping[str, Mapping[str, JsonValue]], grid: str
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
    return [
        panel(tr("Learning rates"), html.Div([rates, html.Div(id="study-rates")], className="fields halves")),
        panel(tr("What each method can be told"), hyperparameter_forms(methods, values)),
    ]


def hyperparameter_forms(
    methods: list[MethodCard], values: Mapping[str, Mapping[str, JsonValue]] | None = None
) -> list[Any]:
    """A place for the chosen methods' forms, and the forms of all: drawing those that nobody asked for takes a browser
    seconds. values: what the fields of a method open with, where it is not the default."""
    given = values or {}
    forms = {card.name: _form(card, given.get(card.name, {})) for card in methods if card.hyperparameters}
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
    ]


def _form(card: MethodCard, values: Mapping[str, JsonValue]) -> html.Details:
    """Its parts are in the order in which the browser fills them: title, rows, fields."""
    return html.Details(
        [
            html.Summary(html.H3(tr("{method}: hyper-parameters", method=card.title))),
            html.P("", className="quiet"),
            html.Div(
                [_field(card.name, _opening(field, values)) for field in card.hyperparameters], className="fields"
            ),
        ],
        className="hyper",
    )


def _opening(field: HyperparameterField, values: Mapping[str, JsonValue]) -> HyperparameterField:
    """The field with the value that it opens with."""
    return field.model_copy(update={"default": values[field.name]}) if field.name in values else field


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
        said.append(tr("Recommended {low} to {high}.", low=f"{low:g}", high=f"{high:g}"))
    if field.minimum is not None and field.maximum is not None:
        said.append(tr("Valid from {low} to {high}.", low=_short(field.minimum), high=_short(field.maximum)))
    elif field.minimum is not None:
        said.append(tr("Valid from {low} on.", low=_short(field.minimum)))
    return " ".join(said)


def _short(bound: float) -> str:
    """1e-6, 0.99, 1000000."""
    return f"{bound:g}".replace("e-0", "e-") if bound < 1 else f"{bound:.10g}"


def method_entries(chosen: list[Row], values: list[Any], identities: list[dict[str, str]]) -> list[dict[str, Any]]:
    """The study document's `methods`: what the forms say, with what a preset fixes for each row."""
    typed: dict[str, dict[str, Any]] = {}
    for identity, value in zip(identities, values, strict=True):
        truth = {"true": True, "false": False}.get(value, value) if isinstance(value, str) else value
        typed.setdefault(identity["method"], {})[identity["field"]] = truth
    return [
        {"method": row["method"], "hyperparameters": typed.get(row["method"], {}) | row["fixed"]}
        | ({"learning_rates": row["learning_rates"]} if "learning_rates" in row else {})
        for row in chosen
    ]


def register() -> None:
    """Declare what the panel does. By each application anew, for Dash gives callbacks to the first that it serves."""
    # Each form is filled with what was typed into it before another method was chosen.
    clientside_callback(
        f"""(chosen, forms, words, values, ids) => {{
            const typed = new Map(ids.map((id, place) => [id.method + ' ' + id.field, values[place]]));
            const methods = [...new Set(chosen.map(row => row.method))];
            const shown = methods.filter(method => forms[method]).map(method => {{
                const form = structuredClone(forms[method]), rows = chosen.filter(row => row.method === method);
                const [, said, fields] = form.props.children;
                form.props.open = methods.length <= {MOST_OPEN};
                said.props.children = rows.length > 1
                    ? words.rows.replace('{{rows}}', rows.map(row => row.label).join(', '))
                    : '';
                for (const {{props}} of fields.props.children) {{
                    const key = props.id.method + ' ' + props.id.field;
                    props.value = typed.has(key) ? typed.get(key) : props.value;
                }}
                return form;
            }});
            return [shown, shown.length ? '' : methods.length ? words.nothing : words.none];
        }}""",
        Output("method-forms", "children"),
        Output("method-forms-note", "children"),
        Input("methods-chosen", "data"),
        State("forms-of-methods", "data"),
        State("forms-words", "data"),
        State({"type": "hyperparameter", "method": ALL, "field": ALL}, "value"),
        State({"type": "hyperparameter", "method": ALL, "field": ALL}, "id"),
    )
