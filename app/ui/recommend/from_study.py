"""From a study: the scenario, weights and limits that a person sets, and one study's answer to them."""

import asyncio
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, ClientsideFunction, Input, Output, State, clientside_callback, ctx, dcc, html, no_update

from app.client import ApiProblem, AtlasClient
from app.language import tr
from app.schemas import CustomScenario, Recommendation, ScenarioCard, StudyView
from app.ui.cells import Matrix
from app.ui.policy import reading
from app.ui.recommend.answer import answer
from app.ui.recommend.case import (
    CONSTRAINT_FIELDS,
    CRITERION_TITLES,
    DEFAULT_FLOOR,
    Case,
    of_kept,
    of_scenario,
    own_limits,
)
from app.ui.recommend.controls import controls, limit_of, scenario_cards, textbook, weight_of
from app.ui.recommend.kept import kept_scenarios
from app.ui.recommend.views import case_store
from app.ui.session import client
from app.ui.states import error, loading
from app.ui.still import still


def opening(
    query: dict[str, str], studies: list[StudyView], cards: list[ScenarioCard], kept: list[CustomScenario]
) -> list[Any]:
    """The case of the address (study, scenario, weights, constraints, floor), completed where it is silent."""
    case = _opening_case(query, studies, cards)
    card = next(card for card in cards if card.key == case.scenario)
    return [
        dcc.Store(id="recommend-scenario", data=case.scenario),
        dcc.Store(id="recommend-asked"),
        dcc.Store(id="recommend-answered"),
        case_store("study", case.query()),
        html.Div(id="recommend-cards", children=scenario_cards(cards, case.scenario, {})),
        html.Div(kept_scenarios(kept), id="recommend-kept"),
        html.Div(
            [
                html.Div([_evidence(studies, case.study), controls(card, case)], id="recommend-controls"),
                html.Div(
                    [html.Div(loading(), id="recommend-answer"), html.Div(id="recommend-textbook")],
                    className="recommend-answer",
                ),
            ],
            className="recommend-grid",
        ),
    ]


def _opening_case(query: dict[str, str], studies: list[StudyView], cards: list[ScenarioCard]) -> Case:
    """What the address asks, completed: a finished study before others, the first scenario."""
    asked = Case.from_query(query)
    known = {study.id for study in studies}
    finished = [study.id for study in studies if study.status == "succeeded"]
    study = asked.study if asked.study in known else (finished or [studies[0].id])[0]
    card = next((card for card in cards if card.key == asked.scenario), cards[0])
    if asked.scenario != card.key:
        return of_scenario(card, study)
    limits = own_limits(card) if asked.constraints is None else asked.constraints
    return Case(study, card.key, asked.weights, limits, asked.floor)


def _evidence(studies: list[StudyView], chosen: int | None) -> html.Section:
    select = dmc.Select(
        id="recommend-study",
        label=tr("Study that is the evidence"),
        data=[{"value": str(study.id), "label": study.name} for study in studies],
        value=None if chosen is None else str(chosen),
        allowDeselect=False,
        searchable=len(studies) > 8,
        size="xs",
    )
    to_case = html.A(tr("Change your case"), href="#recommend-case", className="to-case")
    return html.Section([select, to_case], className="panel recommend-evidence")


def declare_callbacks() -> None:
    """Declared whenever the page is served, for Dash hands declared callbacks to the first application it serves."""
    reading(
        Output({"type": "weight", "name": ALL}, "value"),
        Output({"type": "limit", "name": ALL}, "value"),
        Output("recommend-floor", "value"),
        Output("recommend-scenario", "data"),
        Input({"type": "scenario", "key": ALL}, "n_clicks"),
        Input({"type": "kept", "id": ALL}, "n_clicks"),
        Input("recommend-reset", "n_clicks"),
        State("recommend-scenario", "data"),
        prevent_initial_call=True,
    )(choose_scenario)
    clientside_callback(
        ClientsideFunction("recommend", "ask"),
        Output("recommend-asked", "data"),
        Input("recommend-study", "value"),
        Input("recommend-scenario", "data"),
        Input({"type": "weight", "name": ALL}, "value"),
        Input({"type": "limit", "name": ALL}, "value"),
        Input("recommend-floor", "value"),
    )
    reading(
        Output("recommend-answer", "children"),
        Output({"type": "recommend-query", "view": "study"}, "data"),
        Output("recommend-answered", "data"),
        Input("recommend-asked", "data"),
        prevent_initial_call=True,
    )(answer_case)
    clientside_callback(
        ClientsideFunction("recommend", "answered"),
        Output("recommend-answered", "id"),
        Input("recommend-answered", "data"),
        prevent_initial_call=True,
    )
    reading(
        Output("recommend-cards", "children"),
        Output("recommend-textbook", "children"),
        Input("recommend-study", "value"),
        Input("recommend-scenario", "data"),
    )(answer_scenarios)
    # The number beside a slider follows it at once, and the answer as fast as it can.
    clientside_callback(
        "function(values) { return values.map(function(value) { return Number(value).toFixed(2); }); }",
        Output({"type": "weight-shown", "name": ALL}, "children"),
        Input({"type": "weight", "name": ALL}, "value"),
    )


async def choose_scenario(clicks: list[int | None], kept: list[int | None], reset: int | None, current: str) -> Any:
    """A scenario brings its own weights and limits; Reset brings them back."""
    if not any(clicks) and not any(kept) and not reset:
        return [no_update] * len(CRITERION_TITLES), [no_update] * len(CONSTRAINT_FIELDS), no_update, no_update
    card, case = await _chosen(ctx.triggered_id, current)
    weights = [weight_of(card, case, name) for name in CRITERION_TITLES]
    limits: list[float | str] = [
        ("" if (limit := limit_of(case, name)) is None else limit) for name in CONSTRAINT_FIELDS
    ]
    return weights, limits, float(f"{100 * case.floor:.6g}"), card.key


async def _chosen(clicked: Any, current: str) -> tuple[ScenarioCard, Case]:
    """The scenario that was clicked, one of the team's own, or the current one anew."""
    api = client()
    cards = {card.key: card for card in await api.scenarios()}
    if isinstance(clicked, dict) and clicked["type"] == "kept":
        kept = next(one for one in await api.custom_scenarios() if one.id == clicked["id"])
        return cards.get(kept.scenario or "", cards[current]), of_kept(kept, None)
    card = cards[clicked["key"] if isinstance(clicked, dict) else current]
    return card, of_scenario(card, None)


async def answer_case(asked: dict[str, Any]) -> Any:
    """The answer to the case as it stood when it was asked, and which question that was."""
    api, study = client(), int(asked["study"])
    card = next(card for card in await api.scenarios() if card.key == asked["scenario"])
    case = _case(study, card, asked["weights"], asked["limits"], asked["floor"])
    try:
        found, comparison, view = await asyncio.gather(
            api.recommend(case.request()), api.comparison(study), api.study(study)
        )
    except ApiProblem as problem:
        return error(tr("No recommendation could be made"), problem.detail), case.query(), asked["number"]
    return still(answer(found, Matrix(comparison, view.metric), card)), case.query(), asked["number"]


async def answer_scenarios(study: str, scenario: str) -> Any:
    """What the study answers to every scenario as it stands: on its card, and beside what the textbook expects."""
    api = client()
    cards = await api.scenarios()
    try:
        answers = await _answers(api, cards, int(study))
    except ApiProblem:
        # Why it cannot answer is said in the answer's place.
        return scenario_cards(cards, scenario, {}), []
    return scenario_cards(cards, scenario, answers), still(textbook(cards, answers))


def _case(
    study: int, card: ScenarioCard, weights: list[float], limits: list[float | str | None], floor: float | str
) -> Case:
    """Fields as a person left them; an empty limit is none, an empty floor the default."""
    chosen = dict(zip(CRITERION_TITLES, (float(weight) for weight in weights), strict=True))
    own = any(abs(chosen[name] - card.weights.get(name, 0.0)) > 1e-9 for name in CRITERION_TITLES)
    held = {
        name: float(limit) * CONSTRAINT_FIELDS[name].scale
        for name, limit in zip(CONSTRAINT_FIELDS, limits, strict=True)
        if limit not in (None, "")
    }
    share = DEFAULT_FLOOR if floor in (None, "") else float(floor) / 100
    return Case(study, card.key, chosen if own else None, held, share)


async def _answers(api: AtlasClient, cards: list[ScenarioCard], study: int) -> dict[str, Recommendation]:
    """What the study answers to every scenario as it stands."""
    found = await asyncio.gather(*(api.recommend(of_scenario(card, study).request()) for card in cards))
    return {card.key: one for card, one in zip(cards, found, strict=True)}
