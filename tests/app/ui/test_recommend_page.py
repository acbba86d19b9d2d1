"""The Recommend page: the case in the address, and the answer in words and numbers."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import pytest
from dash import html
from hypothesis import given
from hypothesis import strategies as some

from app.schemas import (
    Change,
    CustomScenario,
    MethodEntry,
    Number,
    Part,
    RankedCandidate,
    Recommendation,
    ScenarioCard,
    StudyDocument,
    Vetoed,
)
from app.ui.cells import Matrix
from app.ui.recommend.answer import answer
from app.ui.recommend.case import CONSTRAINT_FIELDS, CRITERION_TITLES, Case, of_kept, of_scenario, to_keep
from app.ui.recommend.controls import limit_of, scenario_cards, textbook
from app.ui.recommend.kept import kept_scenarios
from peft_core.scenario import scenarios
from tests.app.ui.components import elements, sources, text_of, uncovered_digits
from tests.app.ui.documents import comparison

FORMULA = "recommendation(study 1, draws 2000, seed 0)"


def card(key: str = "high_performance") -> ScenarioCard:
    found = scenarios()[key]
    names = ("key", "title", "summary", "weights", "constraint", "constraint_default", "textbook_pick")
    return ScenarioCard(**{name: getattr(found, name) for name in names})


def number(value: float, statistic: str, quantity: Any) -> Number:
    return Number(value=value, quantity=quantity, statistic=statistic, formula=FORMULA)


def candidate(configuration: int, label: str, p_best: float, **changes: Any) -> RankedCandidate:
    runs = [10 * configuration + seed for seed in (1, 2, 3)]
    quality = Number(value=0.94, quantity="fraction", statistic="mean", metric="task_performance", run_ids=runs)
    fields: dict[str, Any] = {
        "configuration": configuration,
        "label": label,
        "family": "lora",
        "on_front": True,
        "score": number(0.8, "score", "score"),
        "p_best": number(p_best, "p_best", "probability"),
        "p_top2": number(1.0, "p_top2", "probability"),
        "rank_interval": (1, 2),
        "values": {"task_performance": quality},
    }
    return RankedCandidate(**fields | changes)


def found(**changes: Any) -> Recommendation:
    fields: dict[str, Any] = {
        "study": 1,
        "scenario": "high_performance",
        "verdict": "lean",
        "pick": 4,
        "picks": [4],
        "headline": "LoRA r8",
        "reason": [Part(label="LoRA r8"), Part(text=" stores least.")],
        "ranked": [candidate(4, "LoRA r8", 0.598), candidate(5, "Adapter d48", 0.3)],
        "vetoed": [
            Vetoed(configuration=7, label="P-Tuning v2 n20", family="soft_prompt", reason=[Part(text="too weak")])
        ],
        "left_out": [],
        "dropped_criteria": {"memory": "Peak memory is not measured for every method here"},
        "weights": {"quality": 1.0},
        "changes": [
            Change(
                change=[Part(text="Double it")], pick="Adapter d48", p_best=number(0.5, "p_best_changed", "probability")
            )
        ],
        "textbook_pick": "Full fine-tuning",
        "draws": 2_000,
        "seed": 0,
    }
    return Recommendation(**fields | changes)


def shown(recommendation: Recommendation) -> Any:
    return answer(recommendation, Matrix(comparison(), "accuracy"), card())


# -- the case in the address ------------------------------------------------------------------------------------------

SHARES = some.floats(min_value=0, max_value=1, allow_nan=False)
LIMITS = some.dictionaries(some.sampled_from(sorted(CONSTRAINT_FIELDS)), some.floats(min_value=0, max_value=1e13))
WEIGHTS = some.dictionaries(some.sampled_from(sorted(CRITERION_TITLES)), SHARES, min_size=1)


@given(weights=WEIGHTS.filter(lambda found: sum(found.values()) > 0), limits=LIMITS, floor=SHARES)
def test_an_address_gives_the_case_back(weights: dict[Any, float], limits: dict[Any, float], floor: float) -> None:
    case = Case(7, "multi_task", weights, limits, floor)
    read = Case.from_query(dict(parse_qsl(case.query())))
    assert (read.study, read.scenario) == (7, "multi_task")
    assert read.weights == pytest.approx(weights, rel=1e-9)
    assert read.constraints == pytest.approx(limits, rel=1e-9)
    assert read.floor == pytest.approx(floor, rel=1e-4, abs=1e-9)


@pytest.mark.parametrize(
    "query",
    [
        {"study": "x"},
        {"study": "²"},
        {"study": "-1"},
        {"weights": "quality"},
        {"weights": "quality:nan,other:1"},
        {"weights": "quality:0"},
        {"weights": "quality:7"},
        {"constraints": "storage_bytes:inf"},
        {"floor": "2"},
        {"floor": "much"},
    ],
)
def test_an_address_that_cannot_be_read_asks_the_default(query: dict[str, str]) -> None:
    read = Case.from_query(query)
    assert read.study is None
    assert read.weights is None
    assert not read.constraints
    assert read.floor == 0.95


def test_a_scenario_brings_its_own_limit_and_no_limit_is_kept_as_none() -> None:
    case = of_scenario(card("high_performance"), 1)
    assert case.constraints == {"quality_standard_errors": 1.0}
    assert Case.from_query({}).constraints is None
    assert Case.from_query({"constraints": "none"}).constraints == {}
    assert Case(1, constraints={}).query() == "study=1&constraints=none"


def test_limits_stand_in_the_units_of_their_fields() -> None:
    case = Case(1, constraints={"peak_memory_bytes": 2**31, "inference_latency_p95_seconds": 0.005})
    assert limit_of(case, "peak_memory_bytes") == 2
    assert limit_of(case, "inference_latency_p95_seconds") == 5
    assert limit_of(case, "storage_bytes") is None


# -- the answer -------------------------------------------------------------------------------------------------------


def test_a_lean_names_its_pick_and_prints_its_probability_floored() -> None:
    words = text_of(shown(found()))
    assert "Leaning" in words
    assert "Use LoRA r8" in words
    assert "59\u202f%" in words
    assert "60\u202f%" not in words


def test_no_clear_winner_names_both_and_tells_nobody_to_use_either() -> None:
    words = text_of(shown(found(verdict="no clear winner", picks=[4, 5])))
    assert "No clear winner" in words
    assert "LoRA r8 or Adapter d48" in words
    assert "Use LoRA" not in words


def test_not_enough_evidence_says_what_to_run_next_and_leads_there() -> None:
    reason = [Part(text="Run full fine-tuning and the untuned row, then ask again.")]
    page = shown(found(verdict="not enough evidence", pick=None, picks=[], ranked=[], changes=[], reason=reason))
    assert "Run full fine-tuning" in text_of(page)
    assert "P(best)" not in text_of(page)
    assert "/studies/1" in [str(element.href) for element in elements(page) if hasattr(element, "href")]


def test_one_seed_makes_the_probability_grey_and_says_why() -> None:
    note = [Part(label="LoRA r8"), Part(text=": one seed only. How much seeds vary is unknown.")]
    page = shown(found(seed_variance="unknown", notes=[note]))
    assert "no seed noise in it" in text_of(page)
    assert "What this rests on" in text_of(page)
    assert "LoRA r8: one seed only." in text_of(page)
    assert any("recommend-p-single" in str(getattr(element, "className", "")) for element in elements(page))
    assert "no seed noise in it" not in text_of(shown(found()))


def test_what_would_answer_is_one_link_away_filled_in() -> None:
    more = StudyDocument(name="Tweets, with more seeds", methods=[MethodEntry(method="lora")], seeds=5)
    page = shown(found(next_study=more))
    link = next(element for element in elements(page) if str(getattr(element, "href", "")).startswith("/studies/new"))
    assert text_of(link) == "Run it again with more seeds"
    assert "methods=lora&" in link.href
    assert "seeds=5" in link.href


def test_the_second_pick_may_be_one_that_only_quality_ruled_out() -> None:
    out = Vetoed(
        configuration=9,
        label="DoRA r8",
        family="lora",
        reason=[Part(text="does not reach the floor")],
        p_best=number(0.3, "p_best", "probability"),
    )
    beats = number(0.64, "beats_runner_up", "probability")
    answered = found(verdict="no clear winner", picks=[4, 9], runner_up=9, beats_runner_up=beats, vetoed=[out])
    words = text_of(shown(answered))
    assert "LoRA r8 or DoRA r8" in words
    assert "LoRA r8 beats DoRA r8 in 64\u202f% of the draws" in words
    assert "best, in 30\u202f% of the draws" in words
    assert "LoRA r8 or DoRA r8" in text_of(scenario_cards([card()], None, {"high_performance": answered}))


def test_every_digit_of_the_answer_has_a_source() -> None:
    page = shown(found())
    assert uncovered_digits(page) == []
    statistics = {properties["data-statistic"] for properties in sources(page)}
    assert {"p_best", "score", "rank_lo", "rank_hi", "draws", "p_best_changed", "mean"} <= statistics


def test_dropped_criteria_vetoes_and_changes_are_said() -> None:
    words = text_of(shown(found()))
    assert "Peak memory is left out for all: Peak memory is not measured for every method here." in words
    assert "P-Tuning v2 n20" in words
    assert "Adapter d48 instead" in words


def test_the_cards_and_the_textbook_show_each_scenarios_own_answer() -> None:
    cards = [card("high_performance"), card("multi_task")]
    answers = {"high_performance": found()}
    buttons = [
        element for element in elements(scenario_cards(cards, "multi_task", answers)) if element._type == "Button"
    ]
    assert [getattr(button, "aria-pressed") for button in buttons] == ["false", "true"]
    assert "LoRA r8" in text_of(buttons[0])
    table = text_of(textbook(cards, answers))
    assert "Full fine-tuningLoRA r8" in table
    assert "Adapter + LoRAnot enough evidence" in table


# -- what the team keeps ----------------------------------------------------------------------------------------------


def kept(**changes: Any) -> CustomScenario:
    fields: dict[str, Any] = {
        "id": 3,
        "name": "A phone",
        "scenario": "multi_task",
        "weights": {"quality": 0.5, "memory": 0.5},
        "constraints": {"storage_bytes": 4e6},
        "quality_floor": 0.8,
        "created_by": "local user",
        "created_at": datetime(2026, 3, 2, tzinfo=UTC),
    }
    return CustomScenario(**fields | changes)


def test_a_case_comes_back_as_it_was_kept() -> None:
    case = of_kept(kept(), study=7)
    assert Case.from_query(dict(parse_qsl(case.query()))) == case
    again = to_keep(case, card("multi_task"), "A phone")
    assert again.model_dump() == kept().model_dump(exclude={"id", "created_by", "created_at"})


def test_a_scenario_as_it_stands_is_kept_with_its_own_weights_and_limit() -> None:
    chosen = card("high_performance")
    asked = to_keep(Case(1, chosen.key), chosen, "Best")
    assert asked.weights == chosen.weights
    assert asked.constraints == {"quality_standard_errors": 1.0}


def test_each_kept_case_can_be_chosen_and_removed_by_name() -> None:
    assert kept_scenarios([]) == []
    buttons = [element for element in elements(html.Div(kept_scenarios([kept()]))) if element._type == "Button"]
    assert [text_of(button) for button in buttons] == ["A phone", "×"]
    assert getattr(buttons[1], "aria-label") == "Remove A phone"
