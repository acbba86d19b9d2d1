"""The whole study as it would be launched: to read, as YAML to take along, and what follows the launch."""

from collections.abc import Mapping
from typing import Any

from dash import ClientsideFunction, Input, Output, State, clientside_callback, dcc, html

from app.client import ApiProblem
from app.language import mark, tr, trn
from app.ui.elements import facts, panel
from app.ui.launch.hyperparameters import TUNINGS
from app.ui.launch.methods import REFERENCE_TITLES
from app.ui.launch.steps import STEPS
from app.ui.policy import reading
from app.ui.session import client

AFTERWARDS = (
    mark("Watch: progress and curves appear on the study's page as they are measured."),
    mark("Read: the heatmap, what is tied and what is not, and the recommendation for your scenario."),
    mark("Deploy: each run offers its adapter to download, a merge where the method can, and a place to try it."),
    mark("Monitor: the same study with more seeds or learning rates is one button away on its page."),
)
"""The workflow's last step, as this product does it."""


def review_step() -> list[Any]:
    """The study in words, its YAML, and what comes after."""
    buttons = [
        html.Button(tr("Download YAML"), id="yaml-download", className="button button-plain", type="button"),
        html.Span(id="yaml-downloaded"),
    ]
    follows = html.Ul([html.Li(tr(sentence)) for sentence in AFTERWARDS], className="note-list")
    return [
        html.Div(id="launch-problem", className="problem", role="alert"),
        panel(
            tr("The study as it will be launched"), html.Div(id="study-review"), html.Div(buttons, className="row-of")
        ),
        panel(tr("After the launch"), follows),
        dcc.Store(id="study-document"),
        dcc.Store(id="study-yaml"),
    ]


async def review(document: dict[str, Any] | None, step: int) -> Any:
    """The document in readable form and as YAML; nothing of it where something is still to be fixed."""
    if document is None:
        return html.P(tr("Complete what is marked first; then the whole study stands here."), className="quiet"), ""
    if step != len(STEPS):
        return html.P(""), ""
    try:
        text = await client().write_yaml(document)
    except ApiProblem as problem:
        return html.Div(problem.detail, className="note note-warn"), ""
    yaml = html.Details(
        [html.Summary(tr("As YAML")), html.Pre(text, id="yaml-shown", tabIndex="0")], className="more", open=True
    )
    return [facts(_chosen(document)), _rows(document), yaml], text


def _chosen(document: Mapping[str, Any]) -> dict[str, Any]:
    task, budget = document["task"], document["budget"]
    dataset = task if isinstance(task, str) else f"{task['dataset']} ({task['kind']})"
    length = (
        trn("{count} epoch", "{count} epochs", budget["epochs"])
        if budget.get("epochs") is not None
        else trn("{count} step", "{count} steps", budget["steps"])
    )
    seeds = document["seeds"]
    return {
        tr("Name"): document["name"],
        tr("Task"): dataset,
        tr("Base model"): document["base_model"],
        tr("Training"): length,
        tr("Batch size"): str(budget["batch_size"]),
        tr("Longest item, tokens"): str(budget["max_length"]),
        tr("Seeds"): str(seeds) if isinstance(seeds, int) else ", ".join(map(str, seeds)),
        tr("Learning rates per method"): str(document["grid_points"]),
        tr("How they are tried"): tr(TUNINGS[document["tuning"]]),
        tr("References"): ", ".join(tr(REFERENCE_TITLES[name]) for name in document["references"]) or tr("none"),
    }


def _rows(document: Mapping[str, Any]) -> html.Table:
    heads = html.Tr(
        [html.Th(title, scope="col") for title in (tr("Method"), tr("Hyper-parameters"), tr("Learning rates"))]
    )
    rows = [
        html.Tr(
            [
                html.Th(entry["method"], scope="row"),
                html.Td(", ".join(f"{name} {value}" for name, value in entry["hyperparameters"].items()) or "–"),
                html.Td(", ".join(f"{rate:g}" for rate in entry.get("learning_rates", [])) or tr("its own grid")),
            ]
        )
        for entry in document["methods"]
    ]
    return html.Table([html.Thead(heads), html.Tbody(rows)], className="plain review-rows")


def register() -> None:
    """Declare what the panel does. By each application anew, for Dash gives callbacks to the first that it serves."""
    reading(
        Output("study-review", "children"),
        Output("study-yaml", "data"),
        Input("study-document", "data"),
        Input("step-now", "data"),
    )(review)
    clientside_callback(
        ClientsideFunction("launch", "download"),
        Output("yaml-downloaded", "children"),
        Input("yaml-download", "n_clicks"),
        State("study-yaml", "data"),
        State("study-name", "value"),
        prevent_initial_call=True,
    )
