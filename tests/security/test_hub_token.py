"""A team's hub token: it opens what the team may have, goes to the download alone, and is found nowhere afterwards."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from cryptography.fernet import Fernet
from fastapi import FastAPI
from sqlalchemy import select

from app.db.identity import AuditEntry, TeamSecret
from app.db.session import system_session
from app.db.tables import Run, Team
from app.errors import Invalid, Unavailable
from app.main import create_app
from app.services import base_models, team_secrets
from app.services.callers import LOCAL, Caller
from app.services.exports import FORMATS
from app.services.team_settings import settings_of
from app.settings import Settings
from tests.dependencies import ROOT
from tests.hub_repositories import sentences, tiny_model
from tests.hub_server import HubServer

pytestmark = pytest.mark.anyio

CANARY = "hf_canaryOfOneTeam0123456789"
SHARED = "hf_canaryOfEverybody98765"
DOCUMENT = {
    "name": "From a hub",
    "base_model": "org/gated",
    "task": {
        **{"dataset": "org/data", "text": "text", "label": "label"},
        "splits": {"train": 40, "validation": 20, "test": 20},
    },
    "budget": {"steps": 150, "batch_size": 4, "max_length": 16},
    **{"seeds": 1, "grid_points": 1, "methods": [{"method": "lora"}], "references": []},
    "metrics": ["task_performance"],
}


@pytest.fixture
def settings(home: Path, hub_server: HubServer) -> Settings:
    hub_server.add("org/gated", tiny_model(), gated_for=frozenset({CANARY}))
    hub_server.add("org/data", {"train.csv": sentences(120).encode()}, kind="dataset")
    return Settings(home=home, hub_enabled=True, hub_endpoint=hub_server.url, hub_cache=home / "shared-cache")


@pytest.fixture
def web(settings: Settings) -> Iterator[FastAPI]:
    app = create_app(settings)
    yield app
    app.state.engine.dispose()


async def test_it_is_set_and_never_told(web: FastAPI, api: httpx.AsyncClient, home: Path) -> None:
    assert (await api.get("/api/v1/team/hub-token")).json() == {"is_set": False, "set_by": None, "set_at": None}
    answers = [
        await api.put("/api/v1/team/hub-token", json={"token": f" {CANARY}\n"}),
        await api.get("/api/v1/team/hub-token"),
        await api.put("/api/v1/team/hub-token", json={"token": f"{CANARY} and more"}),
        await api.put("/api/v1/team/hub-token", json={"token": CANARY * 100}),
        await api.put("/api/v1/team/hub-token", json={"token": [CANARY]}),
        await api.put("/api/v1/team/hub-token", json={"tokens": CANARY}),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 422, 422, 422, 422]
    assert answers[1].json()["set_by"] == "local user"
    assert not any(CANARY in answer.text for answer in answers)
    key = home / team_secrets.KEY_FILE
    assert key.stat().st_mode & 0o777 == 0o600
    with system_session(web.state.engine) as session:
        (sealed,) = session.scalars(select(TeamSecret.ciphertext))
        told = [vars(entry) for entry in session.scalars(select(AuditEntry))]
    assert Fernet(key.read_bytes()).decrypt(sealed).decode() == CANARY
    assert any(entry["action"] == "set_hub_token" for entry in told)
    assert CANARY not in str(told)
    assert (await api.delete("/api/v1/team/hub-token")).status_code == 204
    assert team_secrets.read_hub_token(web.state.engine, web.state.settings, 1) is None


def test_another_key_is_told_and_shows_nothing(web: FastAPI, settings: Settings, tmp_path: Path) -> None:
    engine = web.state.engine
    team_secrets.set_hub_token(engine, settings, LOCAL, CANARY)
    (tmp_path / "key").write_bytes(Fernet.generate_key())
    other = settings.model_copy(update={"secret_key_file": tmp_path / "key"})
    with pytest.raises(Unavailable, match="another key") as refusal:
        settings_of(engine, other, 1)
    assert CANARY not in str(refusal.value)
    (tmp_path / "key").write_text("no key")
    with pytest.raises(Unavailable, match="holds no key"):
        team_secrets.read_hub_token(engine, other, 1)


def test_what_one_team_was_let_in_to_is_not_another_teams(web: FastAPI, settings: Settings) -> None:
    engine = web.state.engine
    with system_session(engine) as session:
        other = Team(slug="other")
        session.add(other)
        session.flush()
        other_id = other.id
    team_secrets.set_hub_token(engine, settings, LOCAL, CANARY)
    mine, theirs = settings_of(engine, settings, 1), settings_of(engine, settings, other_id)
    found = base_models.find_base_model(mine, "org/gated")
    assert found.folder.is_relative_to(settings.home_folder / "hub" / "teams" / "1")
    for named in ("org/gated", found.name, str(found.folder)):
        with pytest.raises(Invalid):
            base_models.find_base_model(theirs, named)
    assert theirs.hub.token is None
    assert CANARY not in repr(mine) + repr(mine.hub) + str(mine.model_dump())
    team_secrets.clear_hub_token(engine, Caller(other_id, "somebody", "admin"))
    assert settings_of(engine, settings, 1).hub.token == CANARY


def seen_of(process: psutil.Process) -> bytes:
    """The environment and the command line that a process was started with, as the system shows them to others."""
    folder = Path("/proc") / str(process.pid)
    try:
        return (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
    except OSError:
        # It has ended meanwhile.
        return b""


@pytest.mark.slow
async def test_it_goes_to_the_download_alone_and_stays_nowhere(
    web: FastAPI, api: httpx.AsyncClient, settings: Settings, hub_server: HubServer, tmp_path: Path
) -> None:
    assert (await api.put("/api/v1/team/hub-token", json={"token": CANARY})).status_code == 200
    made = await api.post("/api/v1/studies", json=DOCUMENT)
    assert made.status_code == 201, made.text
    said = (tmp_path / "said").open("wb")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")} | {
        "PEFT_ATLAS_HUB_ENABLED": "1",
        "PEFT_ATLAS_HUB_ENDPOINT": hub_server.url,
        "PEFT_ATLAS_HUB_CACHE": str(settings.hub_cache),
        # Of the installation, for teams without one: it has no business in a run either.
        "PEFT_ATLAS_HUB_TOKEN": SHARED,
        "HF_TOKEN": SHARED,
    }
    worker = subprocess.Popen([sys.executable, "-m", "app.worker"], cwd=ROOT, env=environment, stdout=said, stderr=said)
    children: dict[int, bytes] = {}
    phases = set()
    try:
        deadline = time.monotonic() + 100
        while time.monotonic() < deadline:
            for child in psutil.Process(worker.pid).children(recursive=True):
                children[child.pid] = children.get(child.pid, b"") + seen_of(child)
            with system_session(web.state.engine) as session:
                runs = session.execute(select(Run.status, Run.phase, Run.reason)).all()
            phases |= {run.phase for run in runs}
            assert all(run.status != "failed" for run in runs), runs
            if all(run.status == "succeeded" for run in runs):
                break
            time.sleep(0.05)
    finally:
        worker.terminate()
        worker.wait(30)
        said.close()
    assert {run.status for run in runs} == {"succeeded"}
    assert {"training"} <= phases
    assert any(b"PATH=" in seen for seen in children.values())
    for canary in (CANARY, SHARED):
        assert [pid for pid, seen in children.items() if canary.encode() in seen] == []
    # It was the team's that opened the repository, and the other was never sent.
    sent = {request.token for request in hub_server.requests}
    assert CANARY in sent
    assert SHARED not in sent
    files = [*settings.home_folder.rglob("*"), tmp_path / "said"]
    holding = [
        file for file in files if file.is_file() and any(c.encode() in file.read_bytes() for c in (CANARY, SHARED))
    ]
    assert holding == []
    study = made.json()["id"]
    paths = [f"studies/{study}/export?format={form}" for form in FORMATS]
    paths += [
        "runs/1",
        "runs/1/log.txt",
        "system",
        "audit",
        "team/hub-token",
        "devices",
        f"studies/{study}/environments",
    ]
    for path in paths:
        answer = await api.get(f"/api/v1/{path}")
        assert answer.status_code == 200, path
        assert CANARY not in answer.text
        assert SHARED not in answer.text
