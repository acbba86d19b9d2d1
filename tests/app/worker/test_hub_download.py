"""A worker's own processes download what a study names on a hub: seen in the queue, the token seen nowhere."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from app.db.session import system_session
from app.db.tables import LogLineRow, Run
from app.schemas import MethodEntry, StudyDocument, TaskEntry
from app.services import studies
from app.services.callers import LOCAL
from app.settings import Settings
from peft_core.spec import Budget, Splits
from tests.dependencies import ROOT
from tests.hub_repositories import sentences, tiny_model
from tests.hub_server import HubServer

TOKEN = "hf_canary0123456789"


@pytest.fixture
def settings(home: Path, hub_server: HubServer) -> Settings:
    (home / "token").write_text(TOKEN)
    hub_server.add("org/gated", tiny_model(), gated_for=frozenset({TOKEN}))
    hub_server.add("org/data", {"train.csv": sentences(120).encode()}, kind="dataset")
    return Settings(
        home=home,
        hub_enabled=True,
        hub_endpoint=hub_server.url,
        hub_cache=home / "hub",
        hub_token_file=home / "token",
    )


def wait_for(engine: Engine, run_id: int, **values: Any) -> Run:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with system_session(engine) as session:
            run = session.get_one(Run, run_id)
        if all(getattr(run, name) == value for name, value in values.items()):
            return run
        assert run.status != "failed", run.reason
        time.sleep(0.1)
    raise AssertionError(f"run {run_id} is {run.status}, {run.phase} {run.step} of {run.total_steps}")


@pytest.mark.slow
def test_a_worker_downloads_gated_weights_and_no_library_asks_for_more(
    engine: Engine, settings: Settings, hub_server: HubServer, tmp_path: Path
) -> None:
    document = StudyDocument(
        name="From a hub",
        base_model="org/gated",
        task=TaskEntry(dataset="org/data", text="text", label="label", splits=Splits(train=40, validation=20, test=20)),
        budget=Budget(steps=2, batch_size=4, max_length=16),
        seeds=1,
        grid_points=1,
        methods=[MethodEntry(method="lora")],
        references=[],
        metrics=["task_performance"],
    )
    studies.create_study(engine, settings, LOCAL, document)
    hub_server.held.add("model.safetensors")
    hub_server.requests.clear()
    said = (tmp_path / "said").open("wb")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")} | {
        "PEFT_ATLAS_HUB_ENABLED": "1",
        "PEFT_ATLAS_HUB_ENDPOINT": hub_server.url,
        "PEFT_ATLAS_HUB_CACHE": str(settings.hub_cache),
        "PEFT_ATLAS_HUB_TOKEN_FILE": str(settings.hub_token_file),
    }
    worker = subprocess.Popen([sys.executable, "-m", "app.worker"], cwd=ROOT, env=environment, stdout=said, stderr=said)
    try:
        seen = wait_for(engine, 1, phase="downloading")
        assert 0 <= seen.step < (seen.total_steps or 0)
        hub_server.release.set()
        wait_for(engine, 1, status="succeeded")
    finally:
        worker.terminate()
        worker.wait(30)
        said.close()
    with system_session(engine) as session:
        lines = list(session.scalars(select(LogLineRow.message).where(LogLineRow.message.startswith("download"))))
    assert [line.split("@")[0].split(" in ")[0] for line in lines] == ["downloading org/gated", "downloaded 0.1 MB"]
    asked = {request.path.rsplit("/", 1)[-1] for request in hub_server.requests}
    commit = hub_server.repositories["model", "org/gated"].branches["main"]
    assert asked == {commit, *(name for name in tiny_model() if name != "config.json")}
    kept = [path for path in settings.home_folder.rglob("*") if path.is_file() and path.name != "token"]
    leaking = [path for path in (*kept, tmp_path / "said") if TOKEN.encode() in path.read_bytes()]
    assert leaking == []
