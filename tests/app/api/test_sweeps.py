"""A study's sweeps over HTTP: the best value, its neighbours, what is missing, and where each number comes from."""

from dataclasses import replace

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from app.client import AtlasClient
from app.db.session import system_session, team_session
from app.schemas import Sweeps, SweepView
from app.services import results
from app.services.callers import LOCAL
from app.ui.numbers import attributes
from app.ui.sentences import plain
from tests.flow.finished_study import QUICKSTART, Row, insert
from tests.flow.recompute import PageQuestion, recompute
from tests.flow.swept_study import BY_METHOD, RANKS, ranked

pytestmark = pytest.mark.anyio


def finished(engine: Engine, rows: tuple[Row, ...]) -> int:
    with system_session(engine) as session:
        return insert(session, team_id=1, rows=rows).id


async def asked(api: httpx.AsyncClient, study: int) -> Sweeps:
    answer = await api.get(f"/api/v1/studies/{study}/sweep")
    assert answer.status_code == 200, answer.text
    return Sweeps.model_validate(answer.json())


async def sweep_of(api: httpx.AsyncClient, engine: Engine, rows: tuple[Row, ...]) -> SweepView:
    [found] = (await asked(api, finished(engine, rows))).sweeps
    return found


async def test_a_rank_sweep_stands_in_the_order_of_its_ranks(api: httpx.AsyncClient, engine: Engine) -> None:
    found = await sweep_of(api, engine, RANKS)
    assert (found.method, found.parameter, found.parameter_title, found.in_proportion) == (
        "lora",
        "rank",
        "Rank r",
        ["alpha"],
    )
    assert [point.value for point in found.points] == [1, 4, 16]
    assert [point.parameters for point in found.points] == [9_216, 36_864, 147_456]
    assert [point.speed for point in found.points] == [4_500, 4_400, 4_100]
    assert [point.quality for point in found.points] == pytest.approx([0.8289, 0.9367, 0.9378], abs=1e-3)


async def test_the_composite_the_line_and_the_best_by_hand(api: httpx.AsyncClient, engine: Engine) -> None:
    found = await sweep_of(api, engine, RANKS)
    floor, full = 0.67833, 0.94111
    assert found.line is not None
    assert found.line.value == pytest.approx(floor + 0.95 * (full - floor), abs=1e-3)
    expected = [
        0.7 * (accuracy - floor) / (full - floor) / 1.1 + 0.3 * np.log(22_565_376 / parameters) / np.log(1e4)
        for accuracy, parameters in ((0.8289, 9_216), (0.9367, 36_864), (0.9378, 147_456))
    ]
    assert [point.composite for point in found.points] == pytest.approx(expected, abs=5e-3)
    best = next(point for point in found.points if point.configuration == found.best)
    assert best.value == 4
    assert [point.keeps_enough for point in found.points] == [False, True, True]
    assert found.least_enough == best.configuration


async def test_the_best_is_told_from_rank_one_and_not_from_rank_sixteen(api: httpx.AsyncClient, engine: Engine) -> None:
    found = await sweep_of(api, engine, RANKS)
    by_id = {point.configuration: point.value for point in found.points}
    assert {by_id[view.configuration]: view.verdict for view in found.neighbours} == {1: "better", 16: "tie"}
    assert found.separable is False
    said = plain(found.sentence)
    assert "LoRA r4 has the largest composite" in said
    assert "No difference in quality to LoRA r16 is shown" in said
    assert "The smallest that keeps 95\u202f% of full fine-tuning's gain is LoRA r4." in said
    for view in found.neighbours:
        zero_within = view.interval[0].value <= 0 <= view.interval[1].value
        assert zero_within == (view.verdict == "tie")


async def test_between_two_worse_values_the_best_is_separable(api: httpx.AsyncClient, engine: Engine) -> None:
    rows = (*RANKS[:2], ranked(1, (0.83, 0.82, 0.83)), ranked(4, (0.94, 0.94, 0.94)), ranked(16, (0.85, 0.85, 0.86)))
    found = await sweep_of(api, engine, rows)
    assert [view.verdict for view in found.neighbours] == ["better", "better"]
    assert found.separable is True


async def test_every_number_is_derived_again_from_its_runs(api: httpx.AsyncClient, engine: Engine) -> None:
    found = await sweep_of(api, engine, RANKS)
    checked = 0
    with team_session(engine, 1) as session:
        for point in found.points:
            assert point.numbers["composite"].run_ids
            for name, number in point.numbers.items():
                sourced = {key.removeprefix("data-"): value for key, value in attributes(number).items()}
                found_again = recompute(session, sourced, PageQuestion(engine, {}))
                assert any(again == pytest.approx(number.value) for again in found_again), name
                checked += 1
        for view in found.neighbours:
            for number in (view.difference, *view.interval):
                sourced = {key.removeprefix("data-"): value for key, value in attributes(number).items()}
                [again] = recompute(session, sourced, PageQuestion(engine, {}))
                assert again == pytest.approx(number.value)
                checked += 1
    assert checked >= 3 * 7 + 6


async def test_a_failed_seed_is_paired_over_the_others(api: httpx.AsyncClient, engine: Engine) -> None:
    short = replace(ranked(16, (0.9383, 0.9400)), failed_seeds=1)
    found = await sweep_of(api, engine, (*RANKS[:2], *RANKS[3:], short))
    view = next(view for view in found.neighbours if view.verdict == "tie")
    assert (len(view.difference.run_ids), len(view.difference.reference_run_ids)) == (2, 2)


async def test_what_is_not_measured_is_missing_and_no_zero(api: httpx.AsyncClient, engine: Engine) -> None:
    found = await sweep_of(api, engine, (*RANKS[:4], ranked(4, (0.94, 0.93, 0.94), speed=None)))
    point = next(point for point in found.points if point.value == 4)
    assert point.speed is None
    assert "speed" not in point.numbers
    assert point.missing == {"speed": "this method trains nothing"}


async def test_without_full_fine_tuning_there_is_no_best_and_it_says_so(api: httpx.AsyncClient, engine: Engine) -> None:
    found = await sweep_of(api, engine, (RANKS[0], *RANKS[2:]))
    assert (found.best, found.line, found.separable, found.neighbours) == (None, None, None, [])
    assert [point.composite for point in found.points] == [None] * 3
    assert "Run both" in plain(found.sentence)


async def test_a_sweep_is_over_what_the_form_lists_first(api: httpx.AsyncClient, engine: Engine) -> None:
    turned = [replace(row, hyperparameters=dict(sorted(row.hyperparameters.items()))) for row in RANKS]
    found = await sweep_of(api, engine, tuple(turned))
    assert (found.parameter, found.in_proportion) == ("rank", ["alpha"])


async def test_several_methods_have_a_sweep_each(api: httpx.AsyncClient, engine: Engine) -> None:
    adapter = BY_METHOD["adapter"]
    wide = replace(adapter, label="Adapter d96", hyperparameters={"bottleneck_size": 96}, parameters=900_000)
    found = await asked(api, finished(engine, (*RANKS, adapter, wide)))
    assert [(sweep.method, sweep.parameter) for sweep in found.sweeps] == [
        ("lora", "rank"),
        ("adapter", "bottleneck_size"),
    ]
    assert (found.sentence, found.presets) == ([], [])


@pytest.mark.parametrize(
    ("rows", "offered"),
    [
        (QUICKSTART, {"rank_sweep", "bottleneck_sweep", "prefix_length_sweep"}),
        ((*RANKS[:3],), {"rank_sweep"}),
        ((*RANKS[:2], BY_METHOD["p_tuning_v2"]), {"rank_sweep", "bottleneck_sweep", "prefix_length_sweep"}),
    ],
)
async def test_without_a_sweep_it_names_the_presets_that_make_one(
    api: httpx.AsyncClient, engine: Engine, rows: tuple[Row, ...], offered: set[str]
) -> None:
    found = await asked(api, finished(engine, rows))
    assert found.sweeps == []
    assert {preset.key for preset in found.presets} == offered
    assert "“Rank sweep”" in plain(found.sentence)


async def test_the_sweep_agrees_with_the_comparison(api: httpx.AsyncClient, engine: Engine) -> None:
    study = finished(engine, RANKS)
    [found] = (await asked(api, study)).sweeps
    cells = {(cell.configuration, cell.metric): cell for cell in results.comparison(engine, LOCAL, study).cells}
    for point in found.points:
        quality = cells[point.configuration, "task_performance"]
        assert (point.quality, point.numbers["quality_score"].value) == (quality.mean, quality.normalised)
        assert (point.numbers["quality_lo"].value, point.numbers["quality_hi"].value) == quality.interval


async def test_the_python_client_asks_the_same(web: FastAPI, engine: Engine) -> None:
    client = AtlasClient.in_process(web)
    assert len((await client.sweeps(finished(engine, RANKS))).sweeps) == 1
    await client.close()


async def test_a_study_that_is_not_there(api: httpx.AsyncClient) -> None:
    answer = await api.get("/api/v1/studies/9/sweep")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
