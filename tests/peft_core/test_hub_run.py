"""Runs whose base model and dataset come from a hub."""

import json
from pathlib import Path

import pytest

from peft_core.data import inspect_dataset
from peft_core.deploy import read_run
from peft_core.errors import HubError
from peft_core.hub import find
from peft_core.hub_access import Hub
from peft_core.hub_download import download
from peft_core.notebook import fine_tune
from peft_core.run import run
from peft_core.spec import Budget, Columns, Event, HubSource, Log, Progress, RunSpec, Splits, TaskSpec
from peft_core.tasks.classification import Classification
from tests.hub_repositories import sentences, tiny_model
from tests.hub_server import HubServer

COLUMNS = Columns(text="text", label="label")
SPLITS = Splits(train=40, validation=20, test=20)
BUDGET = Budget(steps=4, batch_size=4, max_length=16)


@pytest.fixture
def hub(hub_server: HubServer, tmp_path: Path) -> Hub:
    hub_server.add("org/tiny", tiny_model())
    hub_server.add("org/data", {"data/train.csv": sentences(120).encode()}, kind="dataset")
    return Hub(endpoint=hub_server.url, cache=tmp_path / "cache")


def spec_of(hub: Hub, folder: Path) -> RunSpec:
    """A run of a study that was made on another machine: nothing but config.json is in this one's cache."""
    base, data = find(hub, "model", "org/tiny"), find(hub, "dataset", "org/data")
    summary = inspect_dataset(download(hub, data, lambda _: None), kind=Classification, columns=COLUMNS, splits=SPLITS)
    (data.folder / "train.csv").unlink()
    task = TaskSpec(
        name="data",
        kind="classification",
        dataset=Path("elsewhere"),
        dataset_sha256=summary.sha256,
        source=data.source,
        **COLUMNS.model_dump(),
        labels=summary.labels,
        splits=SPLITS,
    )
    return RunSpec(
        run_id=1,
        purpose="report",
        base_model=Path("elsewhere"),
        base_model_sha256=base.weights_sha256 or "",
        base_model_source=base.source,
        task=task,
        method="lora",
        learning_rate=3e-3,
        seed=0,
        budget=BUDGET,
        precision="fp32",
        metrics=("task_performance", "storage_bytes"),
        folder=folder,
    )


def test_a_run_downloads_what_it_needs_then_asks_for_nothing(hub: Hub, hub_server: HubServer, tmp_path: Path) -> None:
    spec = spec_of(hub, tmp_path / "run")
    events: list[Event] = []
    result = run(spec, events.append, hub)
    phases = [event.phase for event in events if isinstance(event, Progress)]
    assert list(dict.fromkeys(phases)) == ["downloading", "loading", "training", "evaluating", "measuring"]
    told = [event for event in events if isinstance(event, Progress) and event.phase == "downloading"]
    totals = list(dict.fromkeys(event.total_steps for event in told))
    assert totals == [len(sentences(120)), sum(map(len, tiny_model().values())) - len(tiny_model()["config.json"])]
    for total in totals:
        steps = [event.step for event in told if event.total_steps == total]
        assert (steps[0], steps[-1], steps) == (0, total, sorted(steps))
    logged = [event.message.split("@")[0] for event in events if isinstance(event, Log)]
    assert [line for line in logged if line.startswith("downloading")] == [
        "downloading org/data",
        "downloading org/tiny",
    ]
    assert result.validation_score is not None
    kept = read_run(tmp_path / "run")
    assert (kept.base_model_source, kept.task.source) == (spec.base_model_source, spec.task.source)
    assert kept.base_model == hub.snapshot_folder(find(hub, "model", "org/tiny").source)

    hub_server.requests.clear()
    again: list[Event] = []
    run(spec.model_copy(update={"folder": tmp_path / "again"}), again.append, hub)
    assert not [event for event in again if isinstance(event, Progress) and event.phase == "downloading"]
    assert hub_server.requests == []


def test_a_run_offline_names_what_it_lacks(hub: Hub, hub_server: HubServer, tmp_path: Path) -> None:
    spec = spec_of(hub, tmp_path / "run")
    with pytest.raises(HubError, match=r"^data/train.csv of org/data at commit \w{40} is not in the cache"):
        run(spec, lambda _: None, Hub(cache=hub.cache, offline=True))


def test_a_notebook_takes_ids_of_a_hub(hub: Hub, hub_server: HubServer, tmp_path: Path) -> None:
    commit = hub_server.repositories["model", "org/tiny"].branches["main"]
    tuned = fine_tune(
        folder=tmp_path / "out",
        dataset="org/data",
        splits=SPLITS,
        base_model=f"org/tiny@{commit}",
        budget=BUDGET,
        hub=hub,
    )
    assert tuned.measurements["task_performance"].value is not None
    written = json.loads((tmp_path / "out" / "run.json").read_text())
    assert HubSource.model_validate(written["base_model_source"]).commit == commit
    assert written["task"]["name"] == "org/data"
    assert written["task"]["source"]["folder"] == "data"
