"""The Guide: the chapter on PEFT, interactive, every number by a named formula or from runs."""

import asyncio
from typing import Any

from dash import dcc, html, register_page

from app.client import ApiProblem, AtlasClient
from app.language import tr
from app.schemas import CostsView
from app.ui.guide import claims, hyperparameters, live, reading, troubleshooting, workflow
from app.ui.guide.controls import controls, stores
from app.ui.guide.frame import contents
from app.ui.guide.how import how
from app.ui.guide.rank import rank
from app.ui.guide.settings import Settings
from app.ui.guide.sizes import sizes
from app.ui.guide.why import why
from app.ui.session import client
from app.ui.states import error
from app.ui.still import still


def _title(**_query: str) -> str:
    return tr("Guide · PEFT Atlas")


register_page(__name__, path="/guide", name="Guide", title=_title)


async def layout(**query: str) -> Any:
    """The whole guide for the case that the address says."""
    api = client()
    settings = Settings.from_query(query)
    try:
        settings, costs = await _costs(api, settings)
        published, registered, cards = await asyncio.gather(api.published_models(), api.base_models(), api.methods())
    except ApiProblem as problem:
        return error(tr("The guide could not be opened"), problem.detail)
    formulas = costs.model_dump(mode="json")["formulas"]
    article = html.Div(
        [
            why(costs, published),
            how(costs, settings.price),
            rank(costs),
            sizes(costs),
            claims.claims(),
            still(hyperparameters.hyperparameters(cards)),
            troubleshooting.troubleshooting(),
            still(workflow.workflow()),
            still(reading.reading(cards)),
        ],
        className="chapter-article",
    )
    side = html.Div([contents(), controls(settings, published, registered)], className="chapter-side")
    return html.Div(
        [
            *stores(settings),
            dcc.Store(id="chapter-formulas", data=formulas),
            _head(),
            html.Div([side, article], className="chapter-grid"),
        ],
        id="chapter",
        className="chapter",
    )


async def _costs(api: AtlasClient, settings: Settings) -> tuple[Settings, CostsView]:
    """The costs of the case; where an address names a base that there is not, those of the first case."""
    try:
        return settings, await api.costs(settings.request())
    except (ApiProblem, ValueError):
        usual = Settings()
        return usual, await api.costs(usual.request())


def _head() -> html.Header:
    promise = tr(
        "The chapter on parameter-efficient fine-tuning, to be tried out: every number follows from a formula that is"
        " named, or from runs."
    )
    return html.Header(
        [html.Div([html.H1(tr("Guide")), html.P(promise, className="page-answer")])], className="page-head"
    )


live.declare_callbacks()
