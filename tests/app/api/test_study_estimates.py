"""What a whole study will cost and what launching it would refuse, asked at every change of its form."""

import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.services.studies import quickstart_document
from peft_core.method import methods

pytestmark = pytest.mark.anyio

STUDY: dict[str, Any] = {
    "name": "A study",
    "budget": {"steps": 30, "batch_size": 8, "max_length": 64},
    "seeds": 3,
    "grid_points": 3,
    "methods": [{"method": "lora", "hyperparameters": {"rank": 8}}, {"method": "adapter"}],
}
GENEROUS, NARROW = 10**12, 10**6


async def asked(api: httpx.AsyncClient, study: dict[str, Any], **device: Any) -> dict[str, Any]:
    answer = await api.post("/api/v1/estimates/study", json={"study": study} | device)
    assert answer.status_code == 200, answer.json()
    told: dict[str, Any] = answer.json()
    return told


async def test_a_study_is_the_sum_of_its_rows(api: httpx.AsyncClient) -> None:
    told = await asked(api, STUDY, device_memory_bytes=GENEROUS)
    rows = {row["method"]: row for row in told["rows"]}
    assert set(rows) == {"untuned", "head_only", "full", "lora", "adapter"}
    # A tuned row: three learning rates, three seeds, a probe; untuned has nothing to tune.
    assert {name: row["runs"] for name, row in rows.items()} == {
        "untuned": 4,
        "head_only": 7,
        "full": 7,
        "lora": 7,
        "adapter": 7,
    }
    assert told["runs"] == 32
    assert (told["fitting"], told["problems"]) == (5, [])
    assert told["train_items"] == 400
    assert told["train_seconds"] is None
    assert rows["lora"]["label"] == "LoRA r8"
    assert len(rows["lora"]["learning_rates"]) == 3


async def test_each_row_costs_what_it_costs_alone(api: httpx.AsyncClient) -> None:
    told = await asked(api, STUDY, device_memory_bytes=NARROW)
    row = next(row for row in told["rows"] if row["method"] == "lora")
    alone = {"base_model": "minilm", "method": "lora", "hyperparameters": {"rank": 8}, "budget": STUDY["budget"]}
    alone |= {"labels": told["labels"], "train_items": told["train_items"], "device_memory_bytes": NARROW}
    assert row["estimate"] == (await api.post("/api/v1/estimates", json=alone)).json()
    assert told["fitting"] == 0


async def test_the_launched_study_has_as_many_runs_as_were_told(api: httpx.AsyncClient) -> None:
    told = await asked(api, STUDY)
    study = (await api.post("/api/v1/studies", json=STUDY)).json()
    assert study["counts"]["queued"] == told["runs"]
    quickstart = quickstart_document().model_dump(mode="json")
    told = await asked(api, quickstart)
    study = (await api.post("/api/v1/studies", json=quickstart)).json()
    assert study["counts"]["queued"] == told["runs"]


async def test_halving_costs_a_part_of_each_rate_and_the_better_half_in_full(api: httpx.AsyncClient) -> None:
    study = STUDY | {"methods": [{"method": "lora"}, {"method": "prompt_tuning"}], "references": ["untuned"]}
    study |= {"grid_points": 5, "budget": {"steps": 100}}
    whole, halved = await asked(api, study), await asked(api, study | {"tuning": "halving"})
    assert [(row["rung_steps"], row["tuning_trainings"]) for row in whole["rows"]] == [(None, 0), (None, 5), (None, 5)]
    assert [(row["rung_steps"], row["tuning_trainings"]) for row in halved["rows"]] == [
        (None, 0),
        (25, 5 / 4 + 2),
        (50, 5 / 2 + 2),
    ]
    assert (whole["tuning_trainings"], whole["grid_trainings"]) == (10, 10)
    assert (halved["tuning_trainings"], halved["grid_trainings"]) == (7.75, 10)
    # Five in the first rung, two with the whole budget, three seeds, a probe.
    assert [row["runs"] for row in halved["rows"]] == [4, 5 + 2 + 4, 5 + 2 + 4]


async def test_where_the_steps_are_not_known_yet_a_first_rung_is_counted_all_the_same(api: httpx.AsyncClient) -> None:
    task = {"dataset": "somebody/reviews", "kind": "classification", "text": "text", "label": "label"}
    rates = [1e-4, 3e-4, 1e-3, 3e-3, 1e-2]
    study = STUDY | {"task": task, "budget": {"epochs": 2}, "tuning": "halving", "references": []}
    told = await asked(api, study | {"methods": [{"method": "lora", "learning_rates": rates}]})
    (row,) = told["rows"]
    assert told["train_items"] is None
    assert (row["runs"], row["tuning_trainings"]) == (5 + 2 + 4, 5 / 4 + 2)


async def test_all_that_launching_would_refuse_is_told_at_once(api: httpx.AsyncClient) -> None:
    wrong = STUDY | {
        "name": " ",
        "seeds": [1, 1],
        "methods": [
            {"method": "lora", "hyperparameters": {"rank": 9_999}},
            {"method": "adapter", "hyperparameters": {"bottleneck_size": 0}},
            {"method": "nosuch"},
            {"method": "dora"},
            {"method": "dora"},
        ],
        "metrics": ["beauty"],
    }
    told = await asked(api, wrong)
    found = {problem["field"]: problem["message"] for problem in told["problems"]}
    assert set(found) == {
        "name",
        "seeds",
        "methods.0.hyperparameters.rank",
        "methods.1.hyperparameters.bottleneck_size",
        "methods.2.method",
        "methods.4",
        "metrics.0",
    }
    assert "at most 384" in found["methods.0.hyperparameters.rank"]
    # What is right is told all the same.
    assert [row["field"] for row in told["rows"] if not row["reference"]] == ["methods.3"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"base_model": "gpt-9"}, "base_model"),
        ({"base_model": "../../etc"}, "base_model"),
        ({"task": "nothing"}, "task"),
        ({"task": {"dataset": "no.csv", "text": "text", "label": "label"}}, "task.dataset"),
        ({"task": {"dataset": "x.csv", "kind": "sorting", "text": "text"}}, "task.kind"),
        ({"task": {"dataset": "x.csv", "kind": "causal_lm", "text": "text"}}, "base_model"),
        ({"budget": {"steps": 3, "max_length": 1_024}}, "budget.max_length"),
    ],
)
async def test_a_refusal_is_about_the_field_that_launching_names(
    api: httpx.AsyncClient, change: dict[str, Any], field: str
) -> None:
    told = await asked(api, STUDY | change)
    assert field in {problem["field"] for problem in told["problems"]}
    refused = await api.post("/api/v1/studies", json=STUDY | change)
    assert refused.status_code == 422


async def test_a_task_that_cannot_be_read_yet_leaves_the_rest_of_the_estimate(
    api: httpx.AsyncClient, home: Path
) -> None:
    own = {"task": {"dataset": "own.csv", "text": "text", "label": "label"}, "budget": {"epochs": 2}}
    told = await asked(api, STUDY | own)
    assert told["runs"] == 32
    assert all(row["estimate"]["peak_memory_bytes"] and row["learning_rates"] == [] for row in told["rows"])
    (home / "datasets").mkdir()
    lines = "\n".join(f"sentence {place},{'ab'[place % 2]}" for place in range(100))
    (home / "datasets" / "own.csv").write_text(f"text,label\n{lines}\n")
    told = await asked(api, STUDY | own)
    assert (told["train_items"], told["labels"], told["problems"]) == (60, 2, [])


async def test_an_empty_form_is_refused_by_field(api: httpx.AsyncClient) -> None:
    answer = await api.post("/api/v1/estimates/study", json={"study": STUDY | {"methods": [], "name": ""}})
    assert answer.status_code == 422
    assert {found["field"] for found in answer.json()["errors"]} == {"study.methods", "study.name"}


async def test_the_answer_comes_while_a_person_types(api: httpx.AsyncClient) -> None:
    """Every method of the catalogue against a device that none fits: the longest question the form can ask."""
    rows = [{"method": name} for name, kind in methods().items() if kind.family != "reference"]
    whole = STUDY | {"methods": rows}
    await asked(api, whole)
    started = time.perf_counter()
    told = await asked(api, whole, device_memory_bytes=NARROW)
    seconds = time.perf_counter() - started
    assert len(told["rows"]) > 30
    assert seconds < 2.5, f"half a second is promised on a quiet machine, {seconds:.2f} s were taken"
