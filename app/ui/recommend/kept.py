"""The scenarios that a team keeps: chosen like the others, kept from the case at hand, removed."""

from typing import Any
from urllib.parse import parse_qsl

import dash_mantine_components as dmc
from dash import ALL, Input, Output, State, ctx, dcc, html, no_update
from pydantic import ValidationError

from app.client import ApiProblem, AtlasClient
from app.language import tr
from app.schemas import CustomScenario
from app.ui.policy import writing
from app.ui.recommend.case import Case, to_keep
from app.ui.session import client


def kept_scenarios(kept: list[CustomScenario]) -> list[Any]:
    """A button for each, and one that removes it."""
    if not kept:
        return []
    chips = [html.Li([_choose(one), _remove(one)], className="kept-scenario") for one in kept]
    words = tr("Kept by the team")
    return [html.Span(words, className="label"), html.Ul(chips, className="kept-list", **{"aria-label": words})]


def _choose(one: CustomScenario) -> html.Button:
    said = tr("Kept by {person}", person=one.created_by)
    return html.Button(
        one.name, id={"type": "kept", "id": one.id}, type="button", title=said, **{"data-label": one.name}
    )


def _remove(one: CustomScenario) -> dcc.ConfirmDialogProvider:
    button = html.Button(
        "×", type="button", className="kept-remove", **{"aria-label": tr("Remove {name}", name=one.name)}
    )
    return dcc.ConfirmDialogProvider(
        button,
        id={"type": "kept-remove", "id": one.id},
        message=tr("Remove “{name}” for the whole team? It cannot be brought back.", name=one.name),
    )


def keep_field() -> html.Div:
    """A name for the case at hand, and the button that keeps it."""
    return html.Div(
        [
            dmc.TextInput(
                id="recommend-keep-name",
                label=tr("Keep for the team as"),
                placeholder=tr("a name"),
                inputProps={"maxLength": 80},
                size="xs",
            ),
            html.Button(tr("Keep"), id="recommend-keep", type="button", className="button button-plain"),
            html.P(id="recommend-keep-said", className="label", role="status"),
        ],
        className="keep-case",
    )


def declare_callbacks() -> None:
    """Declared whenever the page is served, for Dash hands declared callbacks to the first application it serves."""
    writing(
        Output("recommend-kept", "children"),
        Output("recommend-keep-said", "children"),
        Output("recommend-keep-name", "value"),
        Input("recommend-keep", "n_clicks"),
        Input({"type": "kept-remove", "id": ALL}, "submit_n_clicks"),
        State("recommend-keep-name", "value"),
        State({"type": "recommend-query", "view": "study"}, "data"),
        prevent_initial_call=True,
    )(keep_or_remove)


async def keep_or_remove(asked: int | None, removed: list[int | None], name: str | None, query: str) -> Any:
    """Keep the case under its name, or remove one; what the API refuses is said beside the field."""
    if not asked and not any(removed):
        return no_update, no_update, no_update
    api = client()
    try:
        if isinstance(ctx.triggered_id, dict):
            await api.remove_scenario(ctx.triggered_id["id"])
            said, left = tr("Removed."), no_update
        else:
            said, left = tr("Kept as “{name}”.", name=await _keep(api, name or "", query)), ""
        return kept_scenarios(await api.custom_scenarios()), said, left
    except ApiProblem as problem:
        return no_update, problem.detail, no_update
    except ValidationError:
        return no_update, tr("Give the case a name of at most 80 characters."), no_update


async def _keep(api: AtlasClient, name: str, query: str) -> str:
    case = Case.from_query(dict(parse_qsl(query)))
    cards = await api.scenarios()
    card = next((card for card in cards if card.key == case.scenario), cards[0])
    return (await api.keep_scenario(to_keep(case, card, name))).name
