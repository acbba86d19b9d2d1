"""Trying a real run's model out through the API, with a real worker: at rest, while it trains, and when it breaks."""

import asyncio
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from sqlalchemy import Engine, select, update

from app.db.migrate import migrate
from app.db.session import make_engine, system_session
from app.db.tables import Job, Run, Study
from app.schemas import MethodEntry, StudyDocument, TaskEntry
from app.services import studies
from app.services.callers import LOCAL
from app.services.store import object_path
from app.settings import Settings
from app.worker import interactive
from peft_core import assets
from peft_core.spec import Budget
from tests.app.worker.test_loop import FUNCTIONS, all_runs, ended, log, wait_until, working

pytestmark = pytest.mark.anyio

LEARNED = StudyDocument(
    name="Learned",
    budget=Budget(steps=10, batch_size=8, max_length=32),
    task=TaskEntry(dataset="few.csv", text="text", label="label"),
    seeds=1,
    methods=[MethodEntry(method="lora", learning_rates=[1e-2]), MethodEntry(method="adapter", learning_rates=[1e-2])],
    references=[],
    metrics=["task_performance"],
)
TEXTS = ["I love this, thank you so much!", "The worst flight of my life, never again."]
PREDICT: dict[str, Any] = {"inputs": [{"text": text} for text in TEXTS]}


@pytest.fixture(scope="module")
def learned_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the reporting runs of LoRA and of an adapter, really trained on a hundred real tweets."""
    home = tmp_path_factory.mktemp("learned")
    (home / "datasets").mkdir()
    lines = assets.tasks()["tweets"].dataset.read_text(encoding="utf-8").splitlines()
    (home / "datasets" / "few.csv").write_text("\n".join(lines[:121]) + "\n", encoding="utf-8")
    settings = Settings(home=home)
    migrate(settings.database)
    engine = make_engine(settings.database)
    studies.create_study(engine, settings, LOCAL, LEARNED)
    with system_session(engine) as session:
        # What costs are is nothing to this test.
        session.execute(update(Run).where(Run.purpose == "probe").values(status="succeeded"))
    with working(engine, settings, "peft_core.run:run"):
        wait_until(lambda: ended(engine), 300)
    assert {run.status for run in all_runs(engine)} == {"succeeded"}
    engine.dispose()
    return home


@pytest.fixture
def settings(home: Path, learned_home: Path) -> Settings:
    """A home that holds the same; the data lie where they lay."""
    shutil.copytree(learned_home, home, dirs_exist_ok=True, ignore=shutil.ignore_patterns("datasets"))
    return Settings(home=home, dataset_roots=str(learned_home / "datasets"))


@pytest.fixture
def reports(engine: Engine) -> list[int]:
    return [run.id for run in all_runs(engine) if run.purpose == "report"]


@pytest.fixture
def training(engine: Engine, settings: Settings) -> Iterator[None]:
    """A worker whose slots are all taken by runs that go on for a minute."""
    for name in ("one", "two"):
        made = studies.create_study(engine, settings, LOCAL, LEARNED.model_copy(update={"name": name}))
        with system_session(engine) as session:
            session.get_one(Study, made).precision = "fp32"
            session.execute(
                update(Run).where(Run.purpose == "probe", Run.status == "queued").values(status="cancelled")
            )
    with working(engine, settings.model_copy(update={"drain_seconds": 0, "slots": 2}), f"{FUNCTIONS}:wait"):
        wait_until(lambda: log(engine).count("pid") == 2)
        yield


async def predict(api: httpx.AsyncClient, run_id: int, body: dict[str, Any] = PREDICT) -> httpx.Response:
    return await api.post(f"/api/v1/runs/{run_id}/predict", json=body)


async def test_run_and_base_answer_side_by_side_and_the_second_time_at_once(
    api: httpx.AsyncClient, engine: Engine, settings: Settings, reports: list[int]
) -> None:
    with working(engine, settings, "peft_core.run:run"):
        first, second = [await predict(api, run_id) for run_id in reports]
    for answer in (first, second):
        assert answer.status_code == 200, answer.text
        told = answer.json()
        assert [one["input"]["text"] for one in told["answers"]] == TEXTS
        assert {one["adapted"]["text"] for one in told["answers"]} <= {"positive", "negative", "neutral"}
        assert all(0 < one["adapted"]["seconds"] < 5 for one in told["answers"])
        for one in told["answers"]:
            shares = one["adapted"]["probabilities"]
            assert sum(shares.values()) == pytest.approx(1)
            assert next(iter(shares)) == one["adapted"]["text"]
        assert {one["base"]["probabilities"] for one in told["answers"]} == {None}
        assert len({one["base"]["text"] for one in told["answers"]}) == 1
        assert {one["base"]["seconds"] for one in told["answers"]} == {None}
        assert "no head for the task" in told["base_is"]
    with system_session(engine) as session:
        took = [(job.ended_at - job.started_at).total_seconds() for job in session.scalars(select(Job)) if job.ended_at]  # type: ignore[operator]
    print(f"first answer {took[0]:.2f} s, another adapter on the same base {took[1]:.2f} s")
    assert took[1] < took[0]


async def test_it_answers_while_all_slots_train(
    api: httpx.AsyncClient, engine: Engine, training: None, reports: list[int]
) -> None:
    answer = await asyncio.wait_for(predict(api, reports[0]), 30)
    assert answer.status_code == 200, answer.text
    assert answer.json()["waited_seconds"] < 5
    assert len([run for run in all_runs(engine) if run.status == "running"]) == 2


async def test_a_cost_probe_is_waited_for(
    api: httpx.AsyncClient, engine: Engine, settings: Settings, reports: list[int]
) -> None:
    made = studies.create_study(engine, settings, LOCAL, LEARNED.model_copy(update={"name": "probing"}))
    with system_session(engine) as session:
        session.get_one(Study, made).precision = "fp32"
        session.execute(update(Run).where(Run.study_id == made, Run.purpose == "report").values(status="cancelled"))
        session.execute(update(Run).where(Run.study_id == made).values(purpose="probe"))
    with working(engine, settings, f"{FUNCTIONS}:probe_a_while"):
        wait_until(lambda: "pid" in log(engine))
        answer = await predict(api, reports[0])
        wait_until(lambda: ended(engine))
    assert answer.status_code == 200, answer.text
    probes = [run for run in all_runs(engine) if run.study_id == made and run.status == "succeeded"]
    with system_session(engine) as session:
        job = session.scalars(select(Job)).one()
        assert job.started_at is not None
        assert job.ended_at is not None
        for probe in probes:
            assert probe.started_at is not None
            assert probe.ended_at is not None
            assert job.ended_at <= probe.started_at or job.started_at >= probe.ended_at, "beside a probe"


async def test_a_merged_model_is_kept_with_the_run_and_loads_without_peft(
    api: httpx.AsyncClient, engine: Engine, settings: Settings, reports: list[int], tmp_path: Path
) -> None:
    with working(engine, settings, "peft_core.run:run"):
        merged = await api.post(f"/api/v1/runs/{reports[0]}/merge")
        told = (await predict(api, reports[0])).json()["answers"]
        refused = await api.post(f"/api/v1/runs/{reports[1]}/merge")
    assert merged.status_code == 200, merged.text
    files = merged.json()["artifacts"]
    for file in files:
        target = tmp_path / file["path"]
        target.parent.mkdir(exist_ok=True)
        shutil.copy(object_path(settings.store_folder, file["sha256"]), target)
    assert classify(tmp_path / "merged") == [one["adapted"]["text"] for one in told]
    again = await api.post(f"/api/v1/runs/{reports[0]}/merge")
    assert again.json() == merged.json(), "no worker is asked twice"
    assert refused.status_code == 409
    assert "cannot be merged" in refused.json()["detail"]
    assert list((settings.store_folder / "jobs").glob("*")) == []


def classify(folder: Path) -> list[str]:
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(str(folder))
    model = AutoModelForSequenceClassification.from_pretrained(str(folder)).eval()
    with torch.no_grad():
        found = [int(model(**tokenizer(text, return_tensors="pt")).logits.argmax()) for text in TEXTS]
    labels = ["negative", "neutral", "positive"] if model.config.num_labels == 3 else ["negative", "positive"]
    return [labels[place] for place in found]


async def test_a_job_whose_process_is_killed_says_so_and_the_next_one_is_done(
    api: httpx.AsyncClient, engine: Engine, settings: Settings, reports: list[int]
) -> None:
    mine = psutil.Process()
    with working(engine, settings, "peft_core.run:run"):
        await predict(api, reports[0])
        asked = asyncio.create_task(predict(api, reports[0], {"inputs": [{"text": "long " * 2_000}] * 16}))
        answering = newest_descendant(mine)
        while not running_job(engine):
            await asyncio.sleep(0.01)
        os.kill(answering, signal.SIGKILL)
        answer = await asked
        assert answer.status_code == 409
        assert "ended by SIGKILL" in answer.json()["detail"]
        assert (await predict(api, reports[0])).status_code == 200


def newest_descendant(process: psutil.Process) -> int:
    return int(max(process.children(recursive=True), key=lambda child: child.create_time()).pid)


def running_job(engine: Engine) -> bool:
    with system_session(engine) as session:
        return session.scalar(select(Job.id).where(Job.status == "running")) is not None


async def test_a_job_that_takes_too_long_is_stopped(
    api: httpx.AsyncClient, engine: Engine, settings: Settings, reports: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interactive, "LIMIT_SECONDS", 0.05)
    with working(engine, settings, "peft_core.run:run"):
        answer = await predict(api, reports[0])
        assert answer.status_code == 409
        assert "was stopped" in answer.json()["detail"]
        monkeypatch.setattr(interactive, "LIMIT_SECONDS", 30)
        assert (await predict(api, reports[0])).status_code == 200


async def test_without_a_worker_it_says_503_and_what_to_start(api: httpx.AsyncClient, reports: list[int]) -> None:
    for path, body in (("predict", PREDICT), ("merge", None)):
        answer = await api.post(f"/api/v1/runs/{reports[0]}/{path}", json=body)
        assert answer.status_code == 503
        assert "peft-atlas worker" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"inputs": []}, "inputs"),
        ({"inputs": [{"text": ""}]}, "inputs.0.text"),
        ({"inputs": [{"text": "x" * 20_001}]}, "inputs.0.text"),
        ({"inputs": [{"text": "x"}] * 17}, "inputs"),
        ({"inputs": [{"text": "a", "pair": "b"}]}, "inputs.0.pair"),
        ({"inputs": [{"text": "a", "choices": ["b"]}]}, "inputs.0.choices"),
    ],
)
async def test_an_input_that_the_task_does_not_read_is_refused(
    api: httpx.AsyncClient, reports: list[int], body: dict[str, Any], field: str
) -> None:
    answer = await predict(api, reports[0], body)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_a_run_without_a_model_says_which_to_ask(api: httpx.AsyncClient, engine: Engine) -> None:
    probe = next(run.id for run in all_runs(engine) if run.purpose == "probe")
    answer = await predict(api, probe)
    assert answer.status_code == 409
    assert "Ask a reporting run" in answer.json()["detail"]
    assert (await predict(api, 9_999)).status_code == 404
