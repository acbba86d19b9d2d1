"""The method cards: by family, the lesser known folded away, found by any of their words."""

from typing import Any

import httpx
import pytest
from dash import dcc, html

from app.schemas import MethodCard
from app.ui.launch.cards import FOLDED_FROM, method_cards
from app.ui.launch.hyperparameters import hyperparameter_forms, method_entries
from app.ui.theme import FAMILY_TITLES
from peft_core.methods.lora import Lora
from tests.app.ui.components import elements, text_of

pytestmark = pytest.mark.anyio


@pytest.fixture
async def cards(api: httpx.AsyncClient) -> list[MethodCard]:
    """All methods but the references, as the API tells them for MiniLM."""
    found = [MethodCard(**item) for item in (await api.get("/api/v1/methods")).json()["items"]]
    return [card for card in found if not card.reference]


def buttons(node: Any) -> dict[str, html.Button]:
    return {found.id["method"]: found for found in elements(node) if isinstance(found, html.Button)}


async def test_every_method_has_one_card_in_its_family(cards: list[MethodCard]) -> None:
    drawn = method_cards(cards, "minilm")
    assert len([found for found in elements(drawn) if isinstance(found, html.Button)]) == len(cards)
    by_name = {card.name: card for card in cards}
    for section in (found for found in elements(drawn) if isinstance(found, html.Section)):
        title = text_of(next(found for found in elements(section) if isinstance(found, html.H4)))
        assert {FAMILY_TITLES[by_name[name].family] for name in buttons(section)} == {title}


async def test_the_lesser_known_are_folded_away_and_counted(cards: list[MethodCard]) -> None:
    (fold,) = (found for found in elements(method_cards(cards, "minilm")) if isinstance(found, html.Details))
    assert set(buttons(fold)) == {card.name for card in cards if card.place >= FOLDED_FROM}
    assert f"{len(buttons(fold))} more methods" in text_of(fold)


async def test_a_card_is_found_by_its_paper_and_says_why_it_is_not_offered(cards: list[MethodCard]) -> None:
    drawn = method_cards(cards, "minilm")
    words = next(found.data for found in elements(drawn) if isinstance(found, dcc.Store) and found.id == "method-words")
    assert all(word in words["lora"] for word in ("lora", "hu et al.", "2021", "low-rank adaptation", "lora family"))
    for card in cards:
        button = buttons(drawn)[card.name]
        assert button.disabled == (card.not_offered is not None)
        assert f"not offered: {card.not_offered}" in text_of(button) or card.not_offered is None


async def test_the_browser_is_given_the_forms_in_the_shape_it_fills(cards: list[MethodCard]) -> None:
    forms = next(found.data for found in hyperparameter_forms(cards) if found.id == "forms-of-methods")
    assert set(forms) == {card.name for card in cards if card.hyperparameters}
    for name, form in forms.items():
        summary, rows, fields = form.children
        assert isinstance(summary, html.Summary)
        assert isinstance(rows, html.P)
        assert {field.id["method"] for field in fields.children} == {name}


def test_what_a_preset_fixes_goes_before_what_was_set_and_this_before_the_method_s_own() -> None:
    chosen: list[dict[str, Any]] = [
        {"method": "lora", "fixed": {"rank": 2}, "label": "LoRA r2"},
        {"method": "lora", "fixed": {"rank": 4}, "label": "LoRA r4"},
        {"method": "ln_tuning", "fixed": {}, "label": "", "learning_rates": [0.1]},
    ]
    entries = method_entries(chosen, {"lora": {"rank": 16, "dropout": 0.1}, "pissa": {"rank": 3}})
    own = Lora().model_dump()
    assert entries[0] == {"method": "lora", "hyperparameters": own | {"rank": 2, "dropout": 0.1}}
    assert entries[1]["hyperparameters"]["rank"] == 4
    assert entries[2] == {"method": "ln_tuning", "hyperparameters": {}, "learning_rates": [0.1]}


def test_yes_and_no_are_true_and_false() -> None:
    [entry] = method_entries([{"method": "lora", "fixed": {}, "label": ""}], {"lora": {"some": "true", "other": "no"}})
    assert (entry["hyperparameters"]["some"], entry["hyperparameters"]["other"]) == (True, "no")
