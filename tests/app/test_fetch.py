"""`peft-atlas fetch`, and what the processes of runs are told of the hub."""

from pathlib import Path

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from app.cli import app
from app.schemas import MethodEntry, StudyDocument, TaskEntry
from app.services import studies
from app.services.callers import LOCAL
from app.settings import Settings
from peft_core.spec import Budget, Splits
from tests.hub_repositories import sentences, tiny_model
from tests.hub_server import HubServer


@pytest.fixture
def cache(home: Path, hub_server: HubServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of a product that may not ask the hub."""
    monkeypatch.setenv("PEFT_ATLAS_HUB_ENDPOINT", hub_server.url)
    monkeypatch.setenv("PEFT_ATLAS_HUB_CACHE", str(home / "hub"))
    return home / "hub"


def test_what_was_fetched_makes_a_study_without_the_hub(
    cache: Path, home: Path, hub_server: HubServer, engine: Engine
) -> None:
    model = hub_server.add("org/tiny", tiny_model()).branches["main"]
    data = {f"{name}/train.csv": sentences(120).encode() for name in ("a", "b")}
    hub_server.add("org/data", data, kind="dataset")
    run = CliRunner()
    fetched = run.invoke(app, ["fetch", "model", "org/tiny"])
    assert fetched.exit_code == 0, fetched.output
    assert fetched.stdout.splitlines()[-1] == (f"org/tiny@{model} is in {cache}/models--org--tiny/snapshots/{model}.")
    refused = run.invoke(app, ["fetch", "dataset", "org/data"])
    assert (refused.exit_code, "Name one of them as `folder`: 'a', 'b'" in refused.stderr) == (1, True)
    assert run.invoke(app, ["fetch", "dataset", "org/data", "--folder", "b"]).exit_code == 0
    hub_server.requests.clear()
    document = StudyDocument(
        name="Fetched",
        base_model="org/tiny",
        task=TaskEntry(
            dataset="org/data", folder="b", text="text", label="label", splits=Splits(train=40, validation=20, test=20)
        ),
        budget=Budget(steps=2, batch_size=4, max_length=16),
        methods=[MethodEntry(method="lora")],
    )
    assert studies.create_study(engine, Settings(), LOCAL, document) == 1
    assert hub_server.requests == []


def test_a_run_is_told_no_more_of_the_hub_than_the_settings_allow(
    cache: Path, home: Path, hub_server: HubServer
) -> None:
    assert Settings().hub_environment() == {
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_CACHE": str(cache),
        "HF_ENDPOINT": hub_server.url,
    }
    (home / "token").write_text("hf_canary\n")
    allowed = Settings(hub_enabled=True, hub_token_file=home / "token")
    assert (allowed.hub_environment()["HF_HUB_OFFLINE"], allowed.hub.token) == ("0", "hf_canary")
    assert "HF_TOKEN" not in allowed.hub_environment()
    assert "hf_canary" not in repr(allowed) + repr(allowed.hub) + repr(Settings(hub_token="hf_canary"))


def test_the_librarys_own_switch_forbids_what_the_settings_allow(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert Settings(hub_enabled=True).hub_environment()["HF_HUB_OFFLINE"] == "1"
