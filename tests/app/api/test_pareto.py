"""A study's front over HTTP: what stands on it, what is left out and why, where each number comes from, bad input."""

import json
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from app.client import ApiProblem, AtlasClient
from app.db.session import system_session, team_session
from app.schemas import Pareto, ParetoPoint
from app.services import results
from app.services.callers import LOCAL
from app.ui.numbers import attributes
from tests.flow.finished_study import QUICKSTART, Row, insert
from tests.flow.recompute import PageQuestion, recompute

pytestmark = pytest.mark.anyio


def finished(engine: Engine, rows: tuple[Row, ...] = QUICKSTART) -> int:
    with system_session(engine) as session:
        return insert(session, team_id=1, rows=rows).id


@pytest.fixture
def study(engine: Engine) -> int:
    return finished(engine)


async def front(api: httpx.AsyncClient, study: int, **asked: Any) -> Pareto:
    answer = await api.get(f"/api/v1/studies/{study}/pareto", params=asked)
    assert answer.status_code == 200, answer.text
    return Pareto.model_validate(answer.json())


def by_method(found: Pareto) -> dict[str, ParetoPoint]:
    return {point.method: point for point in found.points}


async def test_quality_against_parameters(api: httpx.AsyncClient, study: int) -> None:
    found = await front(api, study, x="trainable_parameters", y="task_performance")
    points = by_method(found)
    assert {name for name, point in points.items() if point.on_front} == {"head_only", "lora", "full"}
    assert set(points) == {row.method for row in QUICKSTART} - {"untuned"}
    assert (points["lora"].x, points["lora"].y) == (73_728, pytest.approx(0.93667, abs=1e-4))
    lora = points["lora"].configuration
    assert points["adapter"].dominated_by == [lora]
    assert (found.floor, found.least_quality) == (None, None)
    assert (found.axes["x"].better, found.axes["y"].better) == ("lower", "higher")
    assert (found.axes["x"].covers, found.axes["y"].covers) == (None, "seeds and test items")


async def test_the_share_of_draws_tells_how_sure_a_place_is(api: httpx.AsyncClient, study: int) -> None:
    points = by_method(await front(api, study))
    # Nothing is smaller than LoRA but the head; full is only on the front while it scores better than LoRA.
    assert points["lora"].front_share > 0.98
    assert 0.5 < points["full"].front_share < 1
    # The adapter is a point of accuracy below LoRA, which is within the noise of three seeds.
    assert 0 < points["adapter"].front_share < 0.5
    assert points["prefix_tuning"].front_share < 0.1
    again = by_method(await front(api, study))
    assert {name: point.front_share for name, point in again.items()} == {
        name: point.front_share for name, point in points.items()
    }


async def test_a_third_metric_lets_more_stand(api: httpx.AsyncClient, study: int) -> None:
    two = await front(api, study, x="storage_bytes", y="task_performance")
    three = await front(api, study, x="storage_bytes", y="task_performance", z="peak_memory")
    assert three.axes["z"].key == "peak_memory"
    on_two = {point.method for point in two.points if point.on_front}
    on_three = {point.method for point in three.points if point.on_front}
    assert on_two <= on_three
    assert "p_tuning_v2" in on_three - on_two
    assert by_method(three)["lora"].z == 188_700_000


async def test_what_is_no_point_is_listed_with_its_reason(api: httpx.AsyncClient, engine: Engine) -> None:
    lora = next(row for row in QUICKSTART if row.method == "lora")
    rows = tuple(replace(row, probe=row.probe | {"peak_memory": None}) if row is lora else row for row in QUICKSTART)
    found = await front(api, finished(engine, rows), x="peak_memory", y="task_performance")
    reasons = {entry.method: "".join(part.text or "" for part in entry.reason) for entry in found.left_out}
    assert "never a choice" in reasons["untuned"]
    assert reasons["lora"] == "no peak training memory: this method trains nothing"
    assert "lora" not in by_method(found)


async def test_a_floor_leaves_out_what_does_not_keep_enough(api: httpx.AsyncClient, study: int) -> None:
    found = await front(api, study, floor=0.95)
    assert found.least_quality is not None
    assert found.least_quality.value == pytest.approx(0.6783 + 0.95 * (0.9411 - 0.6783), abs=2e-4)
    assert set(by_method(found)) == {"full", "lora", "adapter"}
    told = {entry.method: [part.number.value for part in entry.reason if part.number] for entry in found.left_out}
    assert told["head_only"] == [pytest.approx(0.7189, abs=1e-3), found.least_quality.value]
    # A floor of nothing is no floor but what lies under the untuned row.
    assert len((await front(api, study, floor=0)).points) == len(QUICKSTART) - 1


async def test_the_front_is_that_of_the_cells(api: httpx.AsyncClient, engine: Engine, study: int) -> None:
    cells = results.comparison(engine, LOCAL, study).cells
    for x, y in (
        ("storage_bytes", "training_speed"),
        ("inference_latency", "simplicity"),
        ("peak_memory", "storage_bytes"),
    ):
        found = await front(api, study, x=x, y=y)
        values = {
            point.configuration: [
                (1 if cell.better == "higher" else -1) * (cell.mean or 0.0)
                for name in (x, y)
                for cell in cells
                if (cell.configuration, cell.metric) == (point.configuration, name)
            ]
            for point in found.points
        }
        for point in found.points:
            own = np.array(values[point.configuration])
            beaten = any((np.array(o) >= own).all() and (np.array(o) > own).any() for o in values.values())
            assert point.on_front is not beaten


async def test_every_number_is_derived_again_from_its_runs(api: httpx.AsyncClient, engine: Engine, study: int) -> None:
    found = await front(api, study, z="training_speed")
    checked = 0
    with team_session(engine, 1) as session:
        for point in found.points:
            assert point.numbers["front_share"].value == point.front_share
            assert point.numbers["front_share"].run_ids
            assert "pareto(study" in str(point.numbers["front_share"].formula)
            for name, number in point.numbers.items():
                if name == "front_share":
                    continue
                sourced = {key.removeprefix("data-"): value for key, value in attributes(number).items()}
                [again] = recompute(session, sourced, PageQuestion(engine, {}))
                assert again == pytest.approx(number.value)
                checked += 1
    assert checked > 20


async def test_the_python_client_asks_the_same(web: FastAPI, study: int) -> None:
    client = AtlasClient.in_process(web)
    assert (await client.pareto(study, floor=0.95)).floor == 0.95
    with pytest.raises(ApiProblem) as refused:
        await client.pareto(study, x="speed")
    assert refused.value.status == 422
    await client.close()


@pytest.mark.parametrize(
    ("asked", "field", "said"),
    [
        ({"x": "speed"}, "x", "There is no metric named 'speed'"),
        ({"y": ""}, "y", "There is no metric named ''"),
        ({"x": "energy"}, "x", "not a metric of this study. It has: task_performance"),
        ({"x": "task_performance"}, "y", "x and y name the same metric"),
        ({"z": "trainable_parameters"}, "z", "x and z name the same metric"),
        ({"x": "a" * 300}, "x", "at most 200"),
        ({"floor": 1.5}, "floor", "less than or equal to 1"),
        ({"floor": -0.1}, "floor", "greater than or equal to 0"),
        ({"floor": "nan"}, "floor", ""),
        ({"floor": "high"}, "floor", "number"),
    ],
)
async def test_what_cannot_be_drawn_is_refused_with_the_reason(
    api: httpx.AsyncClient, study: int, asked: dict[str, Any], field: str, said: str
) -> None:
    answer = await api.get(f"/api/v1/studies/{study}/pareto", params=asked)
    problem = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json"), problem
    assert said in json.dumps(problem)
    assert any(found["field"].endswith(field) for found in problem["errors"]), problem


async def test_a_floor_needs_the_rows_that_it_is_measured_between(api: httpx.AsyncClient, engine: Engine) -> None:
    without_full = finished(engine, tuple(row for row in QUICKSTART if row.method not in ("full", "lora")))
    answer = await api.get(f"/api/v1/studies/{without_full}/pareto", params={"floor": 0.9})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "floor")
    assert "one of the two is not measured" in answer.json()["detail"]
    assert (await api.get(f"/api/v1/studies/{without_full}/pareto")).status_code == 200


async def test_a_study_that_is_not_there(api: httpx.AsyncClient) -> None:
    assert (await api.get("/api/v1/studies/9/pareto")).status_code == 404
