"""What moves on the guide: the numbers with the settings, the claims and runs when they have been asked for."""

import asyncio
from collections.abc import Mapping
from typing import Any

from dash import ALL, MATCH, ClientsideFunction, Input, Output, State, clientside_callback, no_update

from app.client import ApiProblem
from app.language import tr
from app.schemas import CostsView, Page, RunView
from app.ui.guide import claims, how, rank, sizes, troubleshooting, why
from app.ui.guide.controls import OF_THE_MODEL, own_sizes
from app.ui.guide.settings import CONFIG, Settings
from app.ui.policy import reading
from app.ui.session import client
from app.ui.states import error

DRAWINGS = ("lora", "adapter", "prefix")
MOST_SPECTRA = 4


def boxes(costs: CostsView, settings: Settings) -> dict[str, list[Any]]:
    """What stands in each box that follows the settings, by its id."""
    return {
        "chapter-memory": why.memory(costs),
        "chapter-storage": why.storage(costs),
        "chapter-lora": how.lora_figures(costs),
        "chapter-adapter": how.adapter_figures(costs),
        "chapter-prefix": how.prefix_figures(costs),
        "chapter-model-table": how.model_table(costs, settings.price),
        "chapter-ranks": rank.ranks(costs),
        "chapter-bottleneck": sizes.bottleneck_line(costs),
        "chapter-length": sizes.prefix_line(costs),
    }


BOXES = (
    *("chapter-memory", "chapter-storage", "chapter-lora", "chapter-adapter", "chapter-prefix"),
    *("chapter-model-table", "chapter-ranks", "chapter-bottleneck", "chapter-length"),
)


def declare_callbacks() -> None:
    """Declared whenever the page is served, for Dash hands declared callbacks to the first application it serves."""
    _declare_in_the_browser()
    reading(
        *[Output(name, "children") for name in BOXES],
        *[Output({"type": "chapter-drawing", "name": name}, "data") for name in DRAWINGS],
        Output("chapter-formulas", "data"),
        Output("chapter-problem", "children"),
        Output("chapter-address", "data"),
        Output("chapter-config", "style"),
        *[Output({"type": "chapter-field", "name": name}, "style") for name in OF_THE_MODEL],
        Input("chapter-settings", "data"),
        prevent_initial_call=True,
    )(follow)
    reading(
        Output("chapter-claims", "children"),
        *[Output(f"chapter-measured-{key}", "children") for key in claims.SWEEPS],
        Output("chapter-spectra", "children"),
        Input("chapter", "id"),
    )(ask_studies)
    reading(
        *[Output({"type": "chapter-seen", "symptom": symptom}, "children") for symptom in troubleshooting.TROUBLES],
        Input("chapter", "id"),
    )(ask_runs)
    reading(
        Output({"type": "chapter-formula", "claim": MATCH}, "children"),
        Input("chapter-formulas", "data"),
        State({"type": "chapter-formula", "claim": MATCH}, "id"),
    )(say_formula)


def _declare_in_the_browser() -> None:
    clientside_callback(
        ClientsideFunction("chapter", "settle"),
        Output({"type": "chapter-value", "name": ALL}, "children"),
        Input({"type": "chapter-slider", "name": ALL}, "value"),
        Input("chapter-model", "value"),
        Input("chapter-config", "value"),
        Input("chapter-device", "value"),
        Input("chapter-price", "value"),
        State({"type": "chapter-slider", "name": ALL}, "id"),
        State("chapter-powers", "data"),
        State("chapter-settings", "data"),
    )
    clientside_callback(
        ClientsideFunction("chapter", "draw"),
        Output({"type": "chapter-drawn", "name": MATCH}, "className"),
        Input({"type": "chapter-drawing", "name": MATCH}, "data"),
        State({"type": "chapter-drawing", "name": MATCH}, "id"),
    )
    clientside_callback(
        ClientsideFunction("chapter", "keepPrice"), Output("chapter-price", "id"), Input("chapter-price", "value")
    )
    clientside_callback(
        ClientsideFunction("chapter", "readPrice"), Output("chapter-price", "value"), Input("chapter", "id")
    )
    clientside_callback(
        ClientsideFunction("chapter", "address"),
        Output("chapter-address", "id"),
        Input("chapter-address", "data"),
        prevent_initial_call=True,
    )


async def follow(data: Mapping[str, Any]) -> tuple[Any, ...]:
    """Everything that the settings decide; where the base cannot be, the problem alone."""
    settings = Settings.from_store(data)
    shown = {"display": "block" if settings.model == CONFIG else "none"}
    own = [own_sizes(settings)] * len(OF_THE_MODEL)
    try:
        costs = await client().costs(settings.request())
    except ApiProblem as problem:
        return *_kept(problem.detail), settings.query(), shown, *own
    except ValueError:
        return *_kept(tr("Paste a model's config.json here: a JSON object.")), settings.query(), shown, *own
    drawn = [drawing.tree for drawing in how.drawings(costs).values()]
    formulas = costs.model_dump(mode="json")["formulas"]
    return *boxes(costs, settings).values(), *drawn, formulas, "", settings.query(), shown, *own


def _kept(problem: str) -> tuple[Any, ...]:
    """The numbers stay as they were, with what is wrong beside the field."""
    return *[no_update] * (len(BOXES) + len(DRAWINGS)), no_update, problem


async def ask_studies(_page: str) -> tuple[Any, ...]:
    """The claims with their verdicts, what was measured of each sweep, and runs with a spectrum."""
    api = client()
    try:
        found, lora, full = await asyncio.gather(
            api.claims(),
            api.runs(method="lora", status="succeeded", purpose="report", limit=MOST_SPECTRA // 2),
            api.runs(method="full", status="succeeded", purpose="report", limit=MOST_SPECTRA // 2),
        )
    except ApiProblem as problem:
        told = error(tr("The claims could not be judged"), problem.detail)
        return told, *[no_update] * len(claims.SWEEPS), no_update
    measured = [claims.in_section(found, key) for key in claims.SWEEPS]
    return claims.listed(found), *measured, claims.spectra(_runs(lora, full))


def _runs(*pages: Page[RunView]) -> list[RunView]:
    return [run for page in pages for run in page.items]


async def ask_runs(_page: str) -> list[Any]:
    """Where each symptom was seen."""
    try:
        found = await client().sightings()
    except ApiProblem as problem:
        return [problem.detail for _ in troubleshooting.TROUBLES]
    return [troubleshooting.seen(found, symptom) for symptom in troubleshooting.TROUBLES]


def say_formula(formulas: Mapping[str, Any], place: Mapping[str, str]) -> Any:
    """What mathematics says of one claim."""
    return claims.formula(formulas.get(place["claim"]))
