"""A case that may not have been measured: the form, and what the studies there are say of it."""

from typing import Any

from dash import ALL, Input, Output, clientside_callback, html, no_update
from pydantic import ValidationError

from app.client import ApiProblem, AtlasClient
from app.language import mark, tr
from app.schemas import ScenarioCard
from app.ui.policy import reading
from app.ui.recommend.case import CONSTRAINT_FIELDS, DEFAULT_FLOOR, own_limits
from app.ui.recommend.lookup_answer import lookup_answer, spoken
from app.ui.recommend.lookup_case import LEAST, MOST, Choices, LookedUp
from app.ui.recommend.lookup_form import FIELDS, LIMITS, OWN, UNRANKED, lookup_form
from app.ui.recommend.views import case_store
from app.ui.session import client
from app.ui.states import loading, partial

ASKED_OF = {
    "parameters": mark("parameters of the base model"),
    "items": mark("training items"),
    "length": mark("tokens of the longest item"),
    "epochs": mark("epochs"),
    "batch": mark("items of a batch"),
}


async def opening(api: AtlasClient, query: dict[str, str], scenarios: list[ScenarioCard]) -> list[Any]:
    """The case of the address, completed where it is silent."""
    there = Choices(await api.base_models(), await api.tasks(), await api.task_kinds(), scenarios)
    case = LookedUp.from_query(query, there)
    return [
        case_store("lookup", case.query()),
        html.Div(
            [lookup_form(there, case), html.Div(loading(), id="lookup-answer")],
            className="lookup",
        ),
        html.P(id="lookup-said", className="visually-hidden", role="status"),
    ]


def declare_callbacks() -> None:
    """Declared whenever the page is served, for Dash hands declared callbacks to the first application it serves."""
    reading(
        output=(
            Output("lookup-answer", "children"),
            Output("lookup-said", "children"),
            Output({"type": "recommend-query", "view": "lookup"}, "data"),
        ),
        inputs={
            "fields": {name: Input(f"lookup-{name}", "value") for name in FIELDS},
            "scenario": Input("lookup-scenario", "value"),
            "floor": Input("lookup-floor", "value"),
            "limits": Input({"type": "lookup-limit", "name": ALL}, "value"),
        },
    )(look_up)
    reading(
        Output({"type": "lookup-limit", "name": ALL}, "value"),
        Input("lookup-scenario", "value"),
        prevent_initial_call=True,
    )(choose_scenario)
    clientside_callback(
        f"""(base, task) => [
            {{display: base === '{OWN}' ? 'grid' : 'none'}}, {{display: task === '{OWN}' ? 'grid' : 'none'}}
        ]""",
        Output("lookup-size", "style"),
        Output("lookup-data", "style"),
        Input("lookup-base", "value"),
        Input("lookup-task", "value"),
    )


async def look_up(fields: dict[str, Any], scenario: str, floor: float | str, limits: list[float | str | None]) -> Any:
    """The answer to the case as it stands."""
    if wrong := _wrong(fields):
        return partial(tr("The case is not complete. "), wrong), wrong, no_update
    case = _case(fields, scenario, floor, limits)
    api = client()
    tasks = await api.tasks()
    try:
        found = await api.look_up(case.request(tasks))
        cards = await api.metrics()
    except (ApiProblem, ValidationError) as problem:
        why = problem.detail if isinstance(problem, ApiProblem) else tr("Its numbers do not go together.")
        return partial(tr("This case cannot be looked up. "), why), why, case.query()
    return lookup_answer(found, case, {card.key: card for card in cards}), spoken(found), case.query()


async def choose_scenario(scenario: str) -> Any:
    """A scenario brings its own limit."""
    card = next((card for card in await client().scenarios() if card.key == scenario), None)
    own = own_limits(card) if card else {}
    return [own[name] / CONSTRAINT_FIELDS[name].scale if name in own else "" for name in LIMITS]


def _wrong(fields: dict[str, Any]) -> str | None:
    """What has to be given before a case can be asked; what a registered model or task says is not looked at."""
    told = {"parameters": fields["base"] != OWN, "items": fields["task"] != OWN}
    for name, words in ASKED_OF.items():
        value = fields[name]
        if told.get(name):
            continue
        if not isinstance(value, int) or not LEAST[name] <= value <= MOST[name]:
            return tr(
                "Give the number of {what}: a whole number from {least} to {most:,}.",
                what=tr(words),
                least=LEAST[name],
                most=MOST[name],
            )
    return None


def _case(fields: dict[str, Any], scenario: str, floor: float | str, limits: list[float | str | None]) -> LookedUp:
    """Fields as a person left them; an empty limit is none, an empty floor the default."""
    sizes = {name: fields[name] for name in LEAST if isinstance(fields[name], int)}
    given = zip(LIMITS, limits, strict=True)
    return LookedUp(
        base_model="" if fields["base"] == OWN else fields["base"],
        architecture=fields["architecture"],
        task="" if fields["task"] == OWN else fields["task"],
        kind=fields["kind"],
        device=fields["device"],
        scenario="" if scenario == UNRANKED else scenario,
        constraints={
            name: float(limit) * CONSTRAINT_FIELDS[name].scale for name, limit in given if limit not in (None, "")
        },
        floor=DEFAULT_FLOOR if floor in (None, "") else min(1.0, float(floor) / 100),
        **sizes,
    )
