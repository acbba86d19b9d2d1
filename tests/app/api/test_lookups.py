"""A case looked up over HTTP: measured, estimated with its distances and intervals, or refused with what to run."""

import json
import math
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from app.client import ApiProblem, AtlasClient
from app.db.session import system_session, team_session
from app.db.tables import Run, Study, Team
from app.schemas import Lookup, LookupRequest, LookupRow, RecommendationRequest
from app.services.callers import LOCAL
from app.services.recommendations import recommend
from app.ui.numbers import attributes
from app.ui.sentences import plain
from peft_core.compare.lookup import REFERENCE
from tests.flow.finished_study import QUICKSTART, insert
from tests.flow.recompute import PageQuestion, numbers_in, recompute
from tests.flow.sized_studies import LAW, SMALLEST, encoder, insert_sized, parameters

pytestmark = pytest.mark.anyio

BUDGET = {"epochs": 3, "batch_size": 8, "max_length": 64}
ON_MINILM: dict[str, Any] = {"base_model": "minilm", "train_items": 400, "budget": BUDGET}


def of(layers: int, **changes: Any) -> dict[str, Any]:
    return {"model_config": encoder(layers), "train_items": 400, "budget": BUDGET, **changes}


async def look_up(api: httpx.AsyncClient, asked: dict[str, Any]) -> Lookup:
    answer = await api.post("/api/v1/lookups", json=asked)
    assert answer.status_code == 200, answer.text
    return Lookup.model_validate(answer.json())


def row(found: Lookup, method: str) -> LookupRow:
    return next(one for one in found.rows if one.method == method)


@pytest.fixture
def three(engine: Engine, tmp_path: Path) -> list[int]:
    """Studies on bases of 6, 12 and 24 layers."""
    with system_session(engine) as session:
        return [insert_sized(session, tmp_path, layers, name=f"L{layers}").id for layers in (6, 12, 24)]


# -- measured ----------------------------------------------------------------------------------------------------------


async def test_a_case_that_a_study_has_is_measured(api: httpx.AsyncClient, engine: Engine) -> None:
    with system_session(engine) as session:
        study = insert(session, team_id=1, name="Mine").id
    found = await look_up(api, ON_MINILM | {"scenario": "resource_constrained"})
    assert (found.basis, plain(found.label), found.run_next) == ("measured", "Measured in Mine.", None)
    assert [(near.study, near.distance.value) for near in found.nearest] == [(study, 0.0)]
    asked = recommend(engine, LOCAL, RecommendationRequest(study=study, scenario="resource_constrained"))
    assert (found.verdict, found.rows[0].configurations) == (asked.verdict, [asked.pick])
    assert found.rows[0].score == asked.ranked[0].score
    lora = row(found, "lora")
    memory = lora.figures["peak_memory"]
    assert memory.value.value == pytest.approx(188_700_000 / 462_300_000)
    assert memory.absolute is not None
    assert (memory.absolute.value, memory.absolute.source) == (188_700_000, "measured")
    assert lora.figures["task_performance"].value.value == pytest.approx((0.93667 - 0.67833) / 0.26278, abs=2e-3)
    assert row(found, "head_only").ruled_out


async def test_measured_numbers_are_derived_again_from_their_runs(api: httpx.AsyncClient, engine: Engine) -> None:
    with system_session(engine) as session:
        insert(session, team_id=1)
    found = await look_up(api, ON_MINILM)
    assert found.verdict is None
    checked = 0
    with team_session(engine, 1) as session:
        for number in numbers_in(found.rows):
            assert number.run_ids
            assert number.source == "measured"
            if number.formula is None:
                sourced = {key.removeprefix("data-"): value for key, value in attributes(number).items()}
                [again] = recompute(session, sourced, PageQuestion(engine, {}))
                assert again == pytest.approx(number.value)
                checked += 1
    assert checked > 30


async def test_anything_else_than_the_case_is_not_measured(api: httpx.AsyncClient, engine: Engine) -> None:
    with system_session(engine) as session:
        insert(session, team_id=1)
    for change in ({"train_items": 401}, {"budget": BUDGET | {"max_length": 65}}, {"device": "cuda"}):
        found = await look_up(api, ON_MINILM | change)
        assert found.basis == "estimated"
        assert found.nearest[0].distance.value > 0


# -- estimated ---------------------------------------------------------------------------------------------------------


async def test_between_studies_ratios_are_carried_over_and_costs_come_from_the_cost_model(
    api: httpx.AsyncClient, three: list[int]
) -> None:
    found = await look_up(api, of(9))
    assert (found.basis, found.matching) == ("estimated", 3)
    assert {near.study for near in found.nearest} == set(three)
    assert plain(found.label).startswith("Not measured – estimated from L")
    assert "distance" in plain(found.label)
    lora = row(found, "lora")
    size = parameters(9)
    figure = lora.figures["trainable_parameters"]
    assert figure.value.value == pytest.approx(0.01 * (size / SMALLEST) ** LAW, rel=0.05)
    assert figure.interval is not None
    assert figure.interval[0].value < figure.value.value < figure.interval[1].value
    assert figure.absolute is not None
    assert figure.absolute.value == pytest.approx(figure.value.value * size)
    assert (figure.value.source, figure.absolute.source) == ("estimated", "estimated")
    # Speed is twice full's in every study: nothing to widen the interval with.
    speed = lora.figures["training_speed"]
    assert speed.interval is not None
    assert [end.value for end in (speed.value, *speed.interval)] == pytest.approx([2, 2, 2])
    assert lora.figures["peak_memory"].absolute is not None
    assert "peak_memory" in found.how


async def test_distances_are_in_factors_of_three(api: httpx.AsyncClient, three: list[int]) -> None:
    found = await look_up(api, of(12, train_items=1_200, device="cuda"))
    nearest = next(near for near in found.nearest if near.name == "L12")
    assert nearest.distance.value == pytest.approx(math.sqrt(2))
    assert found.nearest[0].name == "L12"
    six = next(near for near in found.nearest if near.name == "L6")
    apart = math.log(parameters(12) / parameters(6)) / math.log(3)
    assert six.distance.value == pytest.approx(math.sqrt(2 + apart**2))


async def test_an_estimate_is_ranked_and_never_clear(api: httpx.AsyncClient, three: list[int]) -> None:
    found = await look_up(api, of(9, scenario="multi_task"))
    assert found.verdict in ("lean", "no clear winner")
    scores = [one.score.value for one in found.rows if one.score]
    assert scores == sorted(scores, reverse=True)
    assert found.picks[0] == found.rows[0].label
    assert sum(one.p_best.value for one in found.rows if one.p_best) == pytest.approx(1)
    head = row(found, "head_only")
    assert head.ruled_out is not None
    assert "below the floor" in plain(head.ruled_out)
    assert head.score is None
    assert found.rows.index(head) > len(scores) - 1
    assert found.run_next is not None
    assert "lora" in found.run_next.methods


async def test_limits_are_held_against_what_a_method_would_take(api: httpx.AsyncClient, three: list[int]) -> None:
    free = await look_up(api, of(9))
    full, lora = (row(free, method).figures["peak_memory"].absolute for method in ("full", "lora"))
    assert full is not None
    assert lora is not None
    between = (full.value + lora.value) / 2
    found = await look_up(api, of(9, constraints={"peak_memory_bytes": between, "train_seconds": 60}))
    assert "is above the limit" in plain(row(found, "full").ruled_out or [])
    assert row(found, "lora").ruled_out is None
    # No probe has told this installation's speed.
    assert found.unchecked == ["train_seconds"]


async def test_one_study_gives_no_interval_and_says_why(api: httpx.AsyncClient, engine: Engine, tmp_path: Path) -> None:
    with system_session(engine) as session:
        insert_sized(session, tmp_path, 12, name="Alone")
    found = await look_up(api, of(10, scenario="multi_task"))
    figure = row(found, "lora").figures["training_speed"]
    assert (figure.interval, figure.absolute_interval) == (None, None)
    assert "one study alone" in plain(found.label)
    assert all(one.p_best is None for one in found.rows)
    assert found.verdict == "no clear winner"


async def test_a_number_of_parameters_gives_ratios_and_sizes(api: httpx.AsyncClient, three: list[int]) -> None:
    asked = {"architecture": "encoder", "parameters": 30_000_000, "train_items": 400, "budget": BUDGET}
    found = await look_up(api, asked)
    lora = row(found, "lora")
    assert lora.figures["storage_bytes"].absolute is not None
    assert lora.figures["storage_bytes"].absolute.value == pytest.approx(
        lora.figures["storage_bytes"].value.value * 120_000_000
    )
    assert lora.figures["peak_memory"].absolute is None
    assert "name the base model" in found.how["peak_memory"]


async def test_every_estimated_number_names_its_runs(api: httpx.AsyncClient, engine: Engine, three: list[int]) -> None:
    found = await look_up(api, of(9))
    with system_session(engine) as session:
        for one in found.rows:
            for metric, figure in one.figures.items():
                numbers = list(numbers_in(figure))
                assert numbers
                for number in numbers:
                    assert number.source == "estimated"
                    assert str(number.formula).startswith(f"lookup(metric {metric}")
                    methods = {session.get_one(Run, run).configuration.method for run in number.run_ids}
                    assert methods <= {one.method, REFERENCE}
                    assert one.method in methods


# -- refused -----------------------------------------------------------------------------------------------------------


async def test_without_a_matching_study_it_says_what_to_run(api: httpx.AsyncClient, three: list[int]) -> None:
    found = await look_up(api, ON_MINILM | {"task_kind": "regression", "train_items": 900})
    assert (found.basis, found.matching, found.rows, found.verdict) == ("refused", 0, [], None)
    assert "no study speaks for it" in plain(found.label)
    assert found.run_next is not None
    assert found.run_next.model_dump(include={"base_model", "task_kind", "train_items", "device"}) == {
        "base_model": "minilm",
        "task_kind": "regression",
        "train_items": 900,
        "device": "cpu",
    }
    assert found.run_next.budget.max_length == 64
    assert set(found.run_next.methods) >= {"lora", "adapter", "prefix_tuning"}
    assert found.run_next.references == ["untuned", "head_only", "full"]


@pytest.mark.parametrize(
    ("change", "dimension"),
    [
        ({"train_items": 1_201}, "train_items"),
        ({"train_items": 133}, "train_items"),
        ({"budget": BUDGET | {"max_length": 193}}, "length"),
    ],
)
async def test_more_than_three_times_outside_is_refused(
    api: httpx.AsyncClient, three: list[int], change: dict[str, Any], dimension: str
) -> None:
    found = await look_up(api, of(9, **change))
    assert (found.basis, found.rows) == ("refused", [])
    assert [out.dimension for out in found.outside] == [dimension]
    assert "too far from what was" in plain(found.label)
    assert found.run_next is not None
    assert found.matching == 3


@pytest.mark.parametrize(
    "change", [{"train_items": 1_200}, {"train_items": 134}, {"budget": BUDGET | {"max_length": 192}}]
)
async def test_up_to_three_times_outside_is_answered(
    api: httpx.AsyncClient, three: list[int], change: dict[str, Any]
) -> None:
    assert (await look_up(api, of(9, **change))).basis == "estimated"


async def test_a_decoder_is_not_told_from_encoders(api: httpx.AsyncClient, three: list[int]) -> None:
    asked = {"architecture": "decoder", "parameters": 30_000_000, "train_items": 400, "budget": BUDGET}
    found = await look_up(api, asked)
    assert (found.basis, found.matching) == ("refused", 0)
    assert "decoder family" in plain(found.label)


# -- which studies count -----------------------------------------------------------------------------------------------


async def test_a_study_without_full_fine_tuning_is_listed_and_not_used(api: httpx.AsyncClient, engine: Engine) -> None:
    with system_session(engine) as session:
        rows = tuple(one for one in QUICKSTART if one.method != "full")
        lacking = insert(session, team_id=1, rows=rows, name="No reference").id
    found = await look_up(api, ON_MINILM)
    assert found.basis == "refused"
    assert [(one.study, one.name) for one in found.unused] == [(lacking, "No reference")]
    assert "nothing to take ratios to" in found.unused[0].reason


async def test_a_study_that_does_not_say_how_much_it_trained_on_is_listed(
    api: httpx.AsyncClient, engine: Engine
) -> None:
    with system_session(engine) as session:
        study = insert(session, team_id=1, name="Imported")
        study.task = study.task | {"splits": None}
    found = await look_up(api, ON_MINILM)
    assert found.basis == "refused"
    assert "on how many items" in found.unused[0].reason


async def test_ratios_to_a_row_that_stands_in_are_not_carried_over(api: httpx.AsyncClient, engine: Engine) -> None:
    with system_session(engine) as session:
        study = insert(session, team_id=1, name="Full failed")
        for run in study.runs:
            if run.configuration.method == "full" and run.purpose == "report":
                run.status, run.reason = "failed", "out of memory"
    found = await look_up(api, ON_MINILM)
    assert found.basis == "refused"
    assert found.unused[0].reason == "there is nothing to take ratios to: full fine-tuning gave no result"


async def test_a_base_that_is_gone_is_no_size(api: httpx.AsyncClient, engine: Engine, tmp_path: Path) -> None:
    with system_session(engine) as session:
        study = insert_sized(session, tmp_path, 12, name="Gone")
        (Path(study.base_model_path) / "config.json").unlink()
    found = await look_up(api, of(12))
    assert found.basis == "refused"
    assert "not at hand" in found.unused[0].reason


async def test_another_teams_studies_say_nothing(api: httpx.AsyncClient, engine: Engine) -> None:
    with system_session(engine) as session:
        session.add(Team(id=2, slug="others"))
        session.flush()
        insert(session, team_id=2)
        assert session.query(Study).count() == 1
    found = await look_up(api, ON_MINILM)
    assert (found.basis, found.matching, found.unused) == ("refused", 0, [])


# -- bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "field", "said"),
    [
        ({"train_items": 400}, "", "base_model, model_config, or architecture"),
        (
            ON_MINILM | {"architecture": "encoder", "parameters": 10_000},
            "",
            "base_model, model_config, or architecture",
        ),
        ({"architecture": "encoder", "train_items": 400}, "", "give both"),
        (ON_MINILM | {"parameters": 10_000}, "", "give both"),
        ({"architecture": "mamba", "parameters": 10_000, "train_items": 4}, "architecture", "encoder"),
        ({"architecture": "encoder", "parameters": 0, "train_items": 4}, "parameters", "greater than or equal to 1000"),
        ({"architecture": "encoder", "parameters": 10**30, "train_items": 4}, "parameters", "less than"),
        ({"base_model": "minilm"}, "train_items", "required"),
        (ON_MINILM | {"train_items": 0}, "train_items", "greater than or equal to 1"),
        (ON_MINILM | {"train_items": "many"}, "train_items", "integer"),
        (ON_MINILM | {"base_model": "../../etc"}, "base_model", "PEFT_ATLAS_MODEL_ROOTS"),
        (ON_MINILM | {"task_kind": "fun"}, "task_kind", "no kind of task named 'fun'"),
        (ON_MINILM | {"task_kind": "causal_lm"}, "task_kind", "needs a decoder"),
        (ON_MINILM | {"budget": BUDGET | {"max_length": 4_096}}, "budget", "512 tokens at most"),
        (ON_MINILM | {"device": "tpu"}, "device", "cpu"),
        (ON_MINILM | {"scenario": "nope"}, "scenario", "no scenario named 'nope'"),
        (ON_MINILM | {"weights": {"quality": 0}}, "weights", "above 0"),
        (ON_MINILM | {"weights": {"luck": 1}}, "weights", "luck"),
        (ON_MINILM | {"constraints": {"peak_memory_bytes": -1}}, "constraints", "greater than or equal to 0"),
        (ON_MINILM | {"quality_floor": 2}, "quality_floor", "less than or equal to 1"),
        (ON_MINILM | {"surprise": 1}, "surprise", "remove it"),
        ({"model_config": {"model_type": "evil"}, "train_items": 4}, "model_config.model_type", "not known"),
        ([], "", "JSON object"),
    ],
)
async def test_a_bad_case_is_refused_by_name(api: httpx.AsyncClient, asked: Any, field: str, said: str) -> None:
    answer = await api.post("/api/v1/lookups", json=asked)
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), problem
    assert said in json.dumps(problem)
    if field:
        assert any(found["field"].startswith(field) for found in problem["errors"]), problem["errors"]


async def test_the_python_client_asks_the_same(web: FastAPI, three: list[int]) -> None:
    client = AtlasClient.in_process(web)
    assert (await client.look_up(LookupRequest.model_validate(of(9)))).basis == "estimated"
    with pytest.raises(ApiProblem) as refused:
        await client.look_up(LookupRequest.model_validate(ON_MINILM | {"task_kind": "fun"}))
    assert refused.value.status == 422
    await client.close()
