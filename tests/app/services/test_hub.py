"""Studies whose base model and dataset are named by their ids on a hub."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, select

from app.db.session import system_session
from app.db.tables import Run, Study
from app.errors import Invalid
from app.main import create_app
from app.schemas import MethodEntry, StudyDocument, TaskEntry
from app.services import base_models, run_queue, studies
from app.services.base_models import find_base_model, read_shape
from app.services.callers import LOCAL
from app.services.hub import SMALL_DATASET_BYTES
from app.settings import Settings
from peft_core.hub_download import download
from peft_core.spec import Budget, Progress, RunSpec, Splits
from tests.hub_repositories import sentences, tiny_model
from tests.hub_server import HubServer

TOKEN = "hf_canary0123456789"
FIELDS: dict[str, Any] = {
    "name": "From a hub",
    "base_model": "org/tiny",
    "task": TaskEntry(dataset="org/data", text="text", label="label", splits=Splits(train=40, validation=20, test=20)),
    "budget": Budget(steps=2, batch_size=4, max_length=16),
    "seeds": 1,
    "grid_points": 1,
    "methods": [MethodEntry(method="lora")],
    "references": [],
}


@pytest.fixture
def settings(home: Path, hub_server: HubServer) -> Settings:
    """A product that may ask the hub."""
    hub_server.add("org/tiny", tiny_model())
    hub_server.add("org/data", {"data/train.csv": sentences(120).encode()}, kind="dataset")
    return Settings(home=home, hub_enabled=True, hub_endpoint=hub_server.url, hub_cache=home / "hub")


def made(engine: Engine, settings: Settings, **changes: Any) -> Study:
    study_id = studies.create_study(engine, settings, LOCAL, StudyDocument(**FIELDS | changes))
    with system_session(engine) as session:
        return session.get_one(Study, study_id)


def refused(engine: Engine, settings: Settings, **changes: Any) -> tuple[str | None, str]:
    with pytest.raises(Invalid) as found:
        made(engine, settings, **changes)
    with system_session(engine) as session:
        assert session.scalar(select(Study.id)) is None
    return found.value.field, found.value.detail


def claimed(engine: Engine, settings: Settings) -> RunSpec:
    with system_session(engine) as session:
        worker = run_queue.register_worker(session, "host:1", "cpu", {})
        claim = run_queue.claim_next_run(session, worker, store=settings.store_folder, lease_seconds=30, alone=True)
    assert claim is not None
    return claim.spec


def test_a_study_is_pinned_and_its_weights_are_left_to_the_worker(
    engine: Engine, settings: Settings, hub_server: HubServer
) -> None:
    study = made(engine, settings)
    model, data = (
        hub_server.repositories[key].branches["main"] for key in (("model", "org/tiny"), ("dataset", "org/data"))
    )
    assert study.document["base_model"] == f"org/tiny@{model}"
    assert (study.document["task"]["dataset"], study.document["task"]["folder"]) == (f"org/data@{data}", "data")
    assert set(hub_server.files_got()) == {"config.json", "data/train.csv"}

    hub_server.repositories["model", "org/tiny"].commit(tiny_model() | {"config.json": b"{}"})
    hub_server.repositories["dataset", "org/data"].commit({"data/train.csv": b"text,label\n"})
    spec = claimed(engine, settings)
    assert spec.base_model_source is not None
    assert spec.task.source is not None
    assert (spec.base_model_source.commit, spec.task.source.commit) == (model, data)
    again = studies.create_study(engine, settings, LOCAL, StudyDocument.model_validate(study.document))
    with system_session(engine) as session:
        other = session.get_one(Study, again)
        assert (other.document, other.base_model_sha256) == (study.document, study.base_model_sha256)


def test_shape_and_hash_are_the_same_before_and_after_the_download(settings: Settings, hub_server: HubServer) -> None:
    before = find_base_model(settings, "org/tiny")
    assert not before.complete
    assert before.snapshot is not None
    shape, sha256 = read_shape(before), base_models.weights_sha256(before)
    download(settings.hub, before.snapshot, lambda _: None)
    after = find_base_model(settings, before.name)
    assert after.complete
    assert (read_shape(after).parameters, base_models.weights_sha256(after)) == (shape.parameters, sha256)
    assert len(sha256) == 64


def test_a_method_that_the_base_cannot_have_is_refused_before_anything_is_downloaded(
    engine: Engine, settings: Settings, hub_server: HubServer
) -> None:
    field, said = refused(engine, settings, methods=[MethodEntry(method="lora", hyperparameters={"rank": 33})])
    assert (field, "at most 32" in said) == ("methods.0.hyperparameters.rank", True)
    assert "model.safetensors" not in hub_server.files_got()


def test_by_default_nothing_leaves_the_machine_and_the_refusal_says_what_to_set(
    engine: Engine, settings: Settings, hub_server: HubServer, home: Path
) -> None:
    assert Settings().hub_enabled is False
    closed = Settings(home=home, hub_endpoint=hub_server.url, hub_cache=home / "hub")
    field, said = refused(engine, closed)
    assert field == "base_model"
    assert said.startswith(
        "There is no base model 'org/tiny' in the allowed folders. On the hub: config.json of org/tiny"
    )
    assert "PEFT_ATLAS_HUB_ENABLED is not" in said
    field, said = refused(engine, closed, base_model="minilm")
    assert field == "task.dataset"
    assert "Run `peft-atlas fetch dataset org/data`" in said
    assert hub_server.requests == []


def test_a_folder_of_ones_own_comes_before_the_hub(
    engine: Engine, settings: Settings, hub_server: HubServer, home: Path
) -> None:
    for name, files in (
        ("models/org/tiny", tiny_model()),
        ("datasets/org/data", {"train.csv": sentences(120).encode()}),
    ):
        folder = home / name
        folder.mkdir(parents=True)
        for file, content in files.items():
            (folder / file).write_bytes(content)
    study = made(engine, settings)
    assert (study.document["base_model"], study.base_model_source) == ("org/tiny", None)
    assert study.base_model_path == str(home / "models/org/tiny")
    assert hub_server.requests == []


@pytest.mark.parametrize("name", ["../org/tiny", "/org/tiny", "org/../tiny", "org/tiny/..", "./tiny"])
def test_a_path_is_never_an_id(engine: Engine, settings: Settings, hub_server: HubServer, name: str) -> None:
    assert refused(engine, settings, base_model=name)[0] == "base_model"
    task = FIELDS["task"].model_copy(update={"dataset": name})
    assert refused(engine, settings, base_model="minilm", task=task)[0] == "task.dataset"
    assert hub_server.requests == []


@pytest.mark.parametrize(
    ("name", "files", "said"),
    [
        ("org/none", {}, "There is no model org/none at http"),
        ("org/own", {"config.json": b'{"model_type": "bert", "auto_map": {}}'}, "run code of its own (auto_map"),
        ("org/new", {"config.json": b'{"model_type": "unheard_of"}'}, "model_type is 'unheard_of', which is not known"),
    ],
)
def test_a_base_model_that_is_refused(
    engine: Engine, settings: Settings, hub_server: HubServer, name: str, files: dict[str, bytes], said: str
) -> None:
    if files:
        hub_server.add(name, tiny_model() | files)
    field, told = refused(engine, settings, base_model=name)
    assert field == "base_model"
    assert said in told
    assert "model.safetensors" not in hub_server.files_got()


def test_a_large_dataset_is_fetched_by_a_command(engine: Engine, settings: Settings, hub_server: HubServer) -> None:
    data = {f"{name}/train.csv": sentences(120).encode() for name in ("a", "b")}
    sizes = {"b/train.csv": SMALL_DATASET_BYTES + 1_000_000}
    commit = hub_server.add("org/large", data, kind="dataset", announced_bytes=sizes).branches["main"]
    task = FIELDS["task"].model_copy(update={"dataset": "org/large", "folder": "b"})
    field, said = refused(engine, settings, task=task)
    assert field == "task.dataset"
    assert said == (
        "org/large is a download of 51 MB; only up to 50 MB are fetched while a study is made. Run"
        f" `peft-atlas fetch dataset org/large@{commit} --folder 'b'`, then launch again."
    )
    assert made(engine, settings, task=task.model_copy(update={"folder": "a"})).task["name"] == "org/large"


@pytest.mark.anyio
async def test_the_token_is_in_no_answer_of_the_api(
    settings: Settings, hub_server: HubServer, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hub_server.add("org/gated", tiny_model(), gated_for=frozenset({TOKEN}))
    (home / "token").write_text(f"{TOKEN}\n")
    reached = settings.model_dump(include={"home", "hub_enabled", "hub_endpoint", "hub_cache"})
    told = []
    for token in ({"hub_token": "hf_canary_of_another_account"}, {"hub_token_file": home / "token"}):
        app = create_app(Settings(**reached, **token))
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            document = StudyDocument(**FIELDS | {"base_model": "org/gated"}).model_dump(mode="json")
            answer = await client.post("/api/v1/studies", json=document)
            told += [answer.text, (await client.get("/api/v1/runs")).text]
        app.state.engine.dispose()
    assert "org/gated is gated: its owner asks for consent" in told[0]
    assert json.loads(told[2])["document"]["base_model"].startswith("org/gated@")
    assert TOKEN in {request.token for request in hub_server.requests}
    assert "hf_canary" not in "".join([*told, caplog.text, repr(Settings(**reached, hub_token=TOKEN))])


def test_a_download_is_recorded_as_a_phase_in_bytes(engine: Engine, settings: Settings) -> None:
    made(engine, settings)
    with system_session(engine) as session:
        worker = run_queue.register_worker(session, "host:1", "cpu", {})
        claim = run_queue.claim_next_run(session, worker, store=settings.store_folder, lease_seconds=30, alone=True)
        assert claim is not None
        told = Progress(phase="downloading", step=3_000_000_000, total_steps=9_000_000_000)
        run_queue.record_events(session, claim.lease, [told])
    with system_session(engine) as session:
        run = session.get_one(Run, claim.lease.run_id)
        assert (run.phase, run.step, run.total_steps) == ("downloading", 3_000_000_000, 9_000_000_000)
