"""The selection guide over HTTP: leaves derived from one study and from several, the textbook beside them, regret."""

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Engine

from app.client import AtlasClient
from app.db.session import system_session, team_session
from app.db.tables import Team
from app.schemas import LeafView, RecommendationRequest, SelectionGuide
from app.services.callers import LOCAL
from app.services.recommendations import recommend
from app.ui.numbers import attributes
from app.ui.sentences import plain
from peft_core.compare.selection_guide import LEAVES
from tests.flow.finished_study import QUICKSTART, Row, insert
from tests.flow.recompute import PageQuestion, numbers_in, recompute
from tests.flow.swept_study import BY_METHOD, RANKS

pytestmark = pytest.mark.anyio


def finished(engine: Engine, rows: tuple[Row, ...] = QUICKSTART, team_id: int = 1) -> int:
    with system_session(engine) as session:
        return insert(session, team_id=team_id, rows=rows).id


async def tree(api: httpx.AsyncClient, **asked: Any) -> SelectionGuide:
    answer = await api.get("/api/v1/recommendations/tree", params=asked)
    assert answer.status_code == 200, answer.text
    return SelectionGuide.model_validate(answer.json())


def leaf(found: SelectionGuide, key: str) -> LeafView:
    return next(one for one in found.leaves if one.key == key)


async def test_every_leaf_is_the_recommendation_of_its_path(api: httpx.AsyncClient, engine: Engine) -> None:
    study = finished(engine)
    found = await tree(api, study=study)
    assert [one.key for one in found.leaves] == list(LEAVES)
    for one in found.leaves:
        request = RecommendationRequest(
            study=study, weights=one.weights, constraints=one.constraints, quality_floor=one.quality_floor
        )
        asked = recommend(engine, LOCAL, request)
        [pick] = one.picks
        assert (pick.configuration, pick.verdict) == (asked.pick, asked.verdict)
        assert pick.p_best is not None
        assert pick.p_best.value == asked.ranked[0].p_best.value
        assert one.studies == 1
        assert one.p_best is not None
        assert one.p_best.run_ids
        assert plain(one.sentence)


async def test_the_textbook_stands_beside_with_its_agreement(api: httpx.AsyncClient, engine: Engine) -> None:
    found = await tree(api, study=finished(engine))
    limited = leaf(found, "limited_and_high_quality")
    assert (limited.method, limited.textbook.agreement) == ("lora", "agrees")
    # The study's LoRA has rank 8, and the textbook says 16 to 32.
    assert (limited.textbook.values, limited.textbook.range_agrees) == ([8.0], False)
    assert leaf(found, "many_tasks").textbook.agreement == "not measured"
    assert leaf(found, "top_quality").textbook.title == "Full fine-tuning"


async def test_a_range_that_holds_the_pick_agrees(api: httpx.AsyncClient, engine: Engine) -> None:
    rows = tuple(row for row in RANKS if row.label not in ("LoRA r1", "LoRA r4"))
    limited = leaf(await tree(api, study=finished(engine, rows)), "limited_and_high_quality")
    assert (limited.textbook.values, limited.textbook.range_agrees) == ([16.0], True)


async def test_limits_count_on_the_paths_that_ask_for_them(api: httpx.AsyncClient, engine: Engine) -> None:
    study = finished(engine)
    found = await tree(api, study=study, peak_memory_bytes=1.8e8)
    limited = leaf(found, "limited_otherwise")
    assert limited.constraints == {"peak_memory_bytes": 1.8e8}
    assert limited.method in ("prefix_tuning", "p_tuning_v2")
    assert leaf(found, "otherwise").constraints == {}
    assert leaf(found, "limited_and_high_quality").verdict == "not enough evidence"
    assert "Loosen a constraint" in plain(leaf(found, "limited_and_high_quality").sentence)


async def test_several_studies_are_put_together(api: httpx.AsyncClient, engine: Engine) -> None:
    studies = [finished(engine), finished(engine, RANKS), finished(engine)]
    found = await tree(api)
    assert (found.study, found.studies) == (None, 3)
    for one in found.leaves:
        assert sorted(pick.study for pick in one.picks) == studies
        assert one.studies == 3
    assert found.regret is not None
    assert found.regret.studies == 3
    assert found.regret.wins == (found.regret.guide.value < found.regret.always.value)
    said = plain(found.regret_sentence)
    assert ("does not win" in said) == (not found.regret.wins)


async def test_where_lora_is_always_right_the_guide_does_not_win(api: httpx.AsyncClient, engine: Engine) -> None:
    worse = replace(BY_METHOD["full"], accuracy=(0.90, 0.91, 0.90))
    rows = (*QUICKSTART[:2], worse, BY_METHOD["lora"])
    for _ in range(3):
        finished(engine, rows)
    found = await tree(api)
    assert found.regret is not None
    assert found.regret.wins is False
    assert found.regret.always.value == pytest.approx(0, abs=1e-9)
    assert "the guide does not win" in plain(found.regret_sentence)


async def test_with_two_studies_it_says_what_it_takes(api: httpx.AsyncClient, engine: Engine) -> None:
    for _ in range(2):
        finished(engine)
    found = await tree(api)
    assert found.regret is None
    assert "it takes 3 studies" in plain(found.regret_sentence)


async def test_without_any_study_every_leaf_says_so(api: httpx.AsyncClient) -> None:
    found = await tree(api)
    assert {one.verdict for one in found.leaves} == {"not enough evidence"}
    assert all("There is no study yet" in plain(one.sentence) for one in found.leaves)
    assert all(one.textbook.agreement is None for one in found.leaves)


async def test_a_study_without_its_references_is_listed_with_the_reason(api: httpx.AsyncClient, engine: Engine) -> None:
    lacking = finished(engine, tuple(row for row in QUICKSTART if row.method not in ("full", "untuned")))
    finished(engine)
    found = leaf(await tree(api), "otherwise")
    [silent] = [pick for pick in found.picks if pick.study == lacking]
    assert (silent.verdict, silent.p_best, found.studies) == ("not enough evidence", None, 1)
    assert "untuned" in str(silent.reason)


async def test_another_teams_studies_are_no_evidence(api: httpx.AsyncClient, engine: Engine) -> None:
    with system_session(engine) as session:
        session.add(Team(id=2, slug="others"))
    theirs = finished(engine, team_id=2)
    assert (await tree(api)).studies == 0
    assert (await api.get("/api/v1/recommendations/tree", params={"study": theirs})).status_code == 404


async def test_every_number_says_where_it_comes_from(api: httpx.AsyncClient, engine: Engine) -> None:
    for _ in range(3):
        finished(engine)
    found = await tree(api)
    numbers = list(numbers_in(found))
    assert len(numbers) > 20
    assert all(number.formula and "selection_guide(" in number.formula for number in numbers)
    assert all(number.run_ids for number in numbers if number.statistic == "p_best")
    with team_session(engine, 1) as session:
        for number in numbers[:8]:
            sourced = {key.removeprefix("data-"): value for key, value in attributes(number).items()}
            again = recompute(session, sourced, PageQuestion(engine, {}))
            assert any(value == pytest.approx(number.value) for value in again)


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({"study": 7}, 404, "There is no study 7"),
        ({"study": 0}, 422, "greater than or equal to 1"),
        ({"study": "one"}, 422, "integer"),
        ({"study": 10**25}, 422, "study"),
        ({"peak_memory_bytes": -1}, 422, "greater than or equal to 0"),
        ({"storage_bytes": "nan"}, 422, "storage_bytes"),
    ],
)
async def test_bad_questions_are_refused(api: httpx.AsyncClient, asked: dict[str, Any], status: int, said: str) -> None:
    answer = await api.get("/api/v1/recommendations/tree", params=asked)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert said in json.dumps(answer.json())


async def test_the_python_client_asks_the_same(web: FastAPI, engine: Engine) -> None:
    client = AtlasClient.in_process(web)
    study = finished(engine)
    assert (await client.selection_guide(study, peak_memory_bytes=1e12)).study == study
    assert (await client.selection_guide()).study is None
    await client.close()
