"""The looked-up case's part of Recommend: the case in the address, and its answer in words and marked numbers."""

from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from dash import html
from hypothesis import given
from hypothesis import strategies as some
from sqlalchemy import Engine

from app.db.session import system_session
from app.schemas import Lookup, MetricCard
from app.services.base_models import list_base_models
from app.services.callers import LOCAL
from app.services.catalogue import list_metrics, list_scenarios
from app.services.lookup import look_up_case
from app.services.tasks import list_kinds, list_tasks
from app.settings import Settings
from app.ui.recommend.lookup_answer import lookup_answer
from app.ui.recommend.lookup_case import Choices, LookedUp
from app.ui.recommend.lookup_form import lookup_form
from tests.app.ui.components import elements, sources, text_of, uncovered_digits
from tests.flow.finished_study import QUICKSTART, Row, insert
from tests.flow.sized_studies import insert_sized

SIZED = LookedUp(base_model="", architecture="encoder", parameters=30_000_000, items=700, scenario="multi_task")


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Choices:
    """What a case can be made of here."""
    settings = Settings(home=Path(tmp_path_factory.mktemp("home")))
    return Choices(list_base_models(settings), list_tasks(), list_kinds(), list_scenarios())


@pytest.fixture
def cards() -> dict[str, MetricCard]:
    return {card.key: card for card in list_metrics()}


def looked_up(engine: Engine, settings: Settings, case: LookedUp) -> Lookup:
    return look_up_case(engine, settings, LOCAL, case.request(list_tasks()))


@pytest.fixture
def three(engine: Engine, tmp_path: Path) -> None:
    """Studies on bases of 6, 12 and 24 layers."""
    with system_session(engine) as session:
        for layers in (6, 12, 24):
            insert_sized(session, tmp_path, layers, name=f"L{layers}")


def links(node: Any) -> list[str]:
    return [str(one.href) for one in elements(node) if isinstance(one, html.A)]


# -- the case in the address -------------------------------------------------------------------------------------------


@given(
    case=some.builds(
        LookedUp,
        base_model=some.sampled_from(["", "minilm", "smollm2"]),
        architecture=some.just("encoder"),
        parameters=some.just(LookedUp.parameters),
        task=some.sampled_from(["", "movies"]),
        items=some.integers(1, 2**40),
        length=some.integers(4, 131_072),
        device=some.sampled_from(["cpu", "cuda"]),
        scenario=some.sampled_from(["", "production"]),
        constraints=some.dictionaries(some.sampled_from(["storage_bytes", "train_seconds"]), some.floats(0, 1e12)),
        floor=some.sampled_from([0.5, 0.95]),
    )
)
def test_an_address_gives_the_case_back(there: Choices, case: LookedUp) -> None:
    read = LookedUp.from_query(dict(parse_qsl(case.query())), there)
    assert read.query() == case.query()
    assert read.request(there.tasks).train_items == case.request(there.tasks).train_items


def test_what_an_address_says_wrong_is_left_at_its_default(there: Choices) -> None:
    plain = LookedUp.from_query({}, there)
    assert (plain.base_model, plain.scenario) == (there.models[0].name, there.scenarios[0].key)
    wrong = {"base_model": "nobody", "task": "no", "kind": "no", "items": "-4", "length": "2", "device": "tpu"}
    assert LookedUp.from_query(wrong | {"scenario": "no", "floor": "3", "epochs": "²"}, there) == plain


def test_a_scenario_brings_its_own_limit_and_none_is_kept(there: Choices) -> None:
    own = LookedUp.from_query({"scenario": "high_performance"}, there)
    assert own.constraints == {"quality_standard_errors": 1.0}
    assert LookedUp.from_query({"scenario": "high_performance", "constraints": "none"}, there).constraints == {}


def test_a_registered_task_says_its_kind_and_items_itself(there: Choices) -> None:
    case = LookedUp(base_model="minilm", task="movie_ratings")
    asked = case.request(there.tasks)
    assert (asked.task_kind, asked.train_items) == ("regression", 400)
    form = lookup_form(there, case)
    hidden = {one.id: one.style for one in elements(form) if getattr(one, "id", None) in ("lookup-size", "lookup-data")}
    assert hidden == {"lookup-size": {"display": "none"}, "lookup-data": {"display": "none"}}


# -- the answer --------------------------------------------------------------------------------------------------------


def test_a_measured_case_says_where_and_marks_nothing_as_estimated(
    engine: Engine, settings: Settings, cards: dict[str, MetricCard]
) -> None:
    with system_session(engine) as session:
        insert(session, team_id=1, name="Mine")
    case = LookedUp(base_model="minilm", items=400, scenario="multi_task")
    page = lookup_answer(looked_up(engine, settings, case), case, cards)
    assert "Measured in Mine." in text_of(page)
    assert "≈" not in text_of(page)
    assert {"/studies/1", "/recommend?study=1&scenario=multi_task&constraints=none"} <= set(links(page))
    assert "seeds vary is not known" not in text_of(page)
    assert uncovered_digits(page) == []


def test_one_seed_is_said_and_its_probability_is_grey(
    engine: Engine, settings: Settings, cards: dict[str, MetricCard]
) -> None:
    from dataclasses import replace

    rows: tuple[Row, ...] = tuple(replace(row, accuracy=row.accuracy[:1], failed_seeds=0) for row in QUICKSTART)
    with system_session(engine) as session:
        insert(session, team_id=1, rows=rows)
    case = LookedUp(base_model="minilm", items=400, scenario="multi_task")
    page = lookup_answer(looked_up(engine, settings, case), case, cards)
    assert "how much seeds vary is not known" in text_of(page)
    assert "no seed noise in it" in text_of(page)


@pytest.mark.usefixtures("three")
def test_an_estimate_is_hatched_and_says_what_it_comes_from(
    engine: Engine, settings: Settings, cards: dict[str, MetricCard]
) -> None:
    found = looked_up(engine, settings, SIZED)
    page = lookup_answer(found, SIZED, cards)
    words = text_of(page)
    assert "Not measured – estimated from L" in words
    assert "not measured: estimated" in words
    assert {f"/studies/{near.study}" for near in found.nearest} <= set(links(page))
    cells = [one for one in elements(page) if "lookup-cell" in str(getattr(one, "className", ""))]
    assert cells
    assert all("box-estimated" in cell.className for cell in cells)
    assert all("≈" in text_of(cell) for cell in cells)
    statistics = {one["data-statistic"] for one in sources(page)}
    assert {"carried", "carried_lo", "carried_hi", "absolute", "absolute_lo", "distance", "p_best"} <= statistics
    assert "Use " not in words
    evidence = [one for one in elements(page) if getattr(one, "data-region", None) == "evidence"]
    assert uncovered_digits(evidence) == []


@pytest.mark.usefixtures("three")
def test_what_refuses_a_method_and_what_was_not_checked_are_said(
    engine: Engine, settings: Settings, cards: dict[str, MetricCard]
) -> None:
    limits: Any = {"storage_bytes": 1e6, "quality_standard_errors": 1.0}
    case = LookedUp(**{**vars(SIZED), "constraints": limits})
    words = text_of(lookup_answer(looked_up(engine, settings, case), case, cards))
    assert "of storage is above the limit 1.00\u202fMB" in words
    assert "“Of the best within” could not be checked" in words


def test_a_refusal_leads_to_the_study_that_would_answer(
    engine: Engine, settings: Settings, cards: dict[str, MetricCard]
) -> None:
    case = LookedUp(base_model="smollm2", kind="instruction", items=5_000, length=128)
    page = lookup_answer(looked_up(engine, settings, case), case, cards)
    assert "Nobody knows yet: run it" in text_of(page)
    [run] = [link for link in links(page) if link.startswith("/studies/new")]
    assert "base_model=smollm2&kind=instruction&train_items=5000&methods=full,lora,adapter" in run
    assert "max_length=128" in run
    registered = LookedUp(base_model="smollm2", task="dialogues")
    [run] = links(lookup_answer(looked_up(engine, settings, registered), registered, cards))
    assert "task=dialogues" in run
    assert "kind=" not in run


@pytest.mark.usefixtures("three")
def test_where_every_method_is_ruled_out_the_chapters_are_run(
    engine: Engine, settings: Settings, cards: dict[str, MetricCard]
) -> None:
    case = LookedUp(**{**vars(SIZED), "constraints": {"storage_bytes": 1.0}})
    page = lookup_answer(looked_up(engine, settings, case), case, cards)
    assert "Not enough evidence" in text_of(page)
    [run] = [link for link in links(page) if link.startswith("/studies/new")]
    assert "methods=full,lora,adapter" in run
