"""The base model of a new study: a registered one, a folder of one's own or a hub's, and what it is."""

from typing import Any

import dash_mantine_components as dmc
from dash import Input, Output, clientside_callback, html

from app.client import ApiProblem
from app.language import tr
from app.schemas import BaseModelCard
from app.ui.elements import facts, panel
from app.ui.launch.opening import OWN, Filling
from app.ui.numbers import by_formula, format_value, show
from app.ui.policy import reading
from app.ui.session import client

TYPING_MILLISECONDS = 400
"""So long after the last letter a base model is looked at."""


def model_step(models: list[BaseModelCard], form: Filling) -> list[Any]:
    """The choice, the field for a folder or a hub's name, hidden until it is wanted, and the model's facts."""
    own_model = {"value": OWN, "label": tr("A folder of my own, or a hub's model")}
    fields = [
        dmc.Select(
            id="study-base-model",
            label=tr("Base model"),
            value=form.base_model,
            allowDeselect=False,
            data=[*({"value": model.name, "label": _title(model)} for model in models), own_model],
        ),
        html.Div(
            dmc.TextInput(
                id="study-base-model-path",
                label=tr("Model folder"),
                value=form.folder,
                debounce=TYPING_MILLISECONDS,
                description=tr("Under the home's models folder or an allowed root; or org/name of a hub."),
            ),
            id="own-model",
            style={"display": "none"},
        ),
    ]
    why = tr(
        "Its weights stay as they are for every method but full fine-tuning. The estimate and what a method trains"
        " follow from its shape."
    )
    body = [
        html.Div(fields, className="fields halves"),
        html.P(why, className="quiet"),
        html.Div(id="model-facts", className="model-facts", role="status"),
    ]
    return [panel(tr("Which base model?"), body)]


def _title(model: BaseModelCard) -> str:
    count = format_value(model.parameters, "count")
    return tr("{name} ({type}, {count} parameters)", name=model.name, type=model.model_type, count=count)


async def describe(base_model: str, path: str) -> Any:
    """The facts of the model now chosen, or why it cannot be read."""
    asked = (path or "").strip() if base_model == OWN else base_model
    if not asked:
        return html.P(tr("Give the folder of your base model to see what it is."), className="quiet")
    try:
        return model_facts(await client().base_model(asked))
    except ApiProblem as problem:
        return html.Div(problem.detail, className="note note-bad")


def model_facts(card: BaseModelCard) -> list[Any]:
    """What a model is: architecture and sizes from its own files, where it comes from and under which licence."""

    def size(value: int, figure: str) -> html.Span:
        return show(by_formula(value, "count", f"model_shape(figure {figure}, base_model {card.name})", exact=True))

    known = facts(
        {
            tr("Architecture"): html.Span(card.model_type, **{"data-label": "architecture"}),
            tr("Parameters"): size(card.parameters, "parameters"),
            tr("Layers"): size(card.layers, "layers"),
            tr("Width"): size(card.hidden_size, "hidden_size"),
        }
    )
    licence = [tr("Licence: {licence}.", licence=card.licence)] if card.licence else []
    said = " ".join([f"{card.title}.", tr("Source: {source}.", source=card.source), *licence])
    return [html.Div(known, **{"data-region": "evidence"}), html.P(said, className="quiet"), html.Code(card.path)]


def register() -> None:
    """Declare what the panel does. By each application anew, for Dash gives callbacks to the first that it serves."""
    clientside_callback(
        "model => ({display: model === 'own' ? 'block' : 'none'})",
        Output("own-model", "style"),
        Input("study-base-model", "value"),
    )
    reading(
        Output("model-facts", "children"),
        Input("study-base-model", "value"),
        Input("study-base-model-path", "value"),
    )(describe)
