"""Fronts, sweeps, the guide and lookups of other studies than the usual one: losses, and nothing measured yet."""

from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine

from app.db.session import system_session
from app.schemas import Lookup, Pareto, SelectionGuide, Sweeps
from app.ui.sentences import plain
from tests.flow.finished_study import QUICKSTART, insert
from tests.flow.swept_study import BY_METHOD, ranked

pytestmark = pytest.mark.anyio

VALIDATED = (0.45, 0.41, 0.44)
LOSSES = (
    replace(BY_METHOD["untuned"], accuracy=(0.90, 0.90, 0.90)),
    replace(BY_METHOD["full"], accuracy=(0.40, 0.41, 0.40), validation=VALIDATED),
    replace(ranked(1, (0.70, 0.71, 0.70)), validation=VALIDATED),
    replace(ranked(4, (0.41, 0.41, 0.42)), validation=VALIDATED),
    replace(ranked(16, (0.40, 0.41, 0.41)), validation=VALIDATED),
)
"""Mean losses of a language model: the smaller the better."""


def language_model(engine: Engine) -> int:
    with system_session(engine) as session:
        study = insert(session, team_id=1, rows=LOSSES, name="Losses")
        study.task = study.task | {"kind": "causal_lm", "label": None, "labels": []}
        return study.id


async def read(api: httpx.AsyncClient, path: str, **asked: Any) -> Any:
    answer = await api.get(f"/api/v1/{path}", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_loss_is_better_when_lower_on_the_front(api: httpx.AsyncClient, engine: Engine) -> None:
    study = language_model(engine)
    found = Pareto.model_validate(await read(api, f"studies/{study}/pareto"))
    assert (found.axes["y"].better, found.axes["y"].quantity) == ("lower", "nats")
    points = {point.label: point for point in found.points}
    assert points["LoRA r16"].y == pytest.approx(0.407, abs=2e-3)
    assert {label for label, point in points.items() if point.on_front} == {
        "Full fine-tuning",
        "LoRA r1",
        "LoRA r4",
        "LoRA r16",
    }
    floored = Pareto.model_validate(await read(api, f"studies/{study}/pareto", floor=0.95))
    assert floored.least_quality is not None
    assert floored.least_quality.value == pytest.approx(0.9 - 0.95 * (0.9 - 0.4033), abs=2e-3)
    assert "LoRA r1" not in {point.label for point in floored.points}


async def test_a_loss_is_better_when_lower_in_a_sweep(api: httpx.AsyncClient, engine: Engine) -> None:
    [found] = Sweeps.model_validate(await read(api, f"studies/{language_model(engine)}/sweep")).sweeps
    assert [point.keeps_enough for point in found.points] == [False, True, True]
    assert found.line is not None
    assert found.line.value == pytest.approx(0.9 - 0.95 * (0.9 - 0.4033), abs=2e-3)
    best = next(point for point in found.points if point.configuration == found.best)
    assert best.value == 4
    assert sorted(view.verdict for view in found.neighbours) == ["better", "tie"]
    assert "The smallest that keeps" in plain(found.sentence)


async def test_a_loss_is_better_when_lower_in_guide_and_lookup(api: httpx.AsyncClient, engine: Engine) -> None:
    study = language_model(engine)
    guide = SelectionGuide.model_validate(await read(api, "recommendations/tree", study=study))
    picks = {leaf.picks[0].label for leaf in guide.leaves}
    assert picks <= {"LoRA r4", "LoRA r16", "Full fine-tuning"}
    case = {"architecture": "encoder", "parameters": 22_000_000, "task_kind": "causal_lm", "train_items": 300}
    answer = await api.post("/api/v1/lookups", json=case)
    found = Lookup.model_validate(answer.json())
    assert found.basis == "estimated"
    shares = {row.label: row.figures["task_performance"].value.value for row in found.rows}
    assert shares["LoRA r4"] == pytest.approx((0.9 - 0.4133) / (0.9 - 0.4033), abs=5e-3)
    assert shares["LoRA r1"] < 0.5
    ruled_out = {row.label for row in found.rows if row.ruled_out}
    assert ruled_out == {"LoRA r1"}


async def test_before_anything_is_measured_everything_says_so(api: httpx.AsyncClient) -> None:
    methods = [{"method": "lora", "hyperparameters": {"rank": rank}} for rank in (4, 8)]
    document = {"name": "Queued", "budget": {"steps": 5}, "seeds": 2, "grid_points": 1, "methods": methods}
    study = (await api.post("/api/v1/studies", json=document)).json()["id"]
    front = Pareto.model_validate(await read(api, f"studies/{study}/pareto"))
    assert front.points == []
    assert len(front.left_out) == 5
    assert {plain(entry.reason) for entry in front.left_out if entry.method == "lora"} == {
        "no trainable parameters: not measured yet; no task performance: not measured yet"
    }
    [sweep] = Sweeps.model_validate(await read(api, f"studies/{study}/sweep")).sweeps
    assert [point.quality for point in sweep.points] == [None, None]
    assert sweep.points[0].missing["quality"] == "not measured yet"
    assert (sweep.best, sweep.separable, sweep.least_enough) == (None, None, None)
    guide = SelectionGuide.model_validate(await read(api, "recommendations/tree"))
    assert {leaf.verdict for leaf in guide.leaves} == {"not enough evidence"}
    assert all(plain(leaf.sentence).startswith("Not enough evidence.") for leaf in guide.leaves)
    asked = {"base_model": "minilm", "train_items": 400}
    lookup = Lookup.model_validate((await api.post("/api/v1/lookups", json=asked)).json())
    assert (lookup.basis, len(lookup.unused)) == ("refused", 1)


async def test_with_full_fine_tuning_alone_the_front_is_that_row(api: httpx.AsyncClient, engine: Engine) -> None:
    with system_session(engine) as session:
        study = insert(session, team_id=1, rows=(*QUICKSTART[:1], BY_METHOD["full"], BY_METHOD["lora"])).id
    found = Pareto.model_validate(await read(api, f"studies/{study}/pareto", x="peak_memory", floor=1.0))
    assert [(point.method, point.on_front, point.front_share) for point in found.points] == [("full", True, 1.0)]
    assert [entry.method for entry in found.left_out] == ["lora", "untuned"]
