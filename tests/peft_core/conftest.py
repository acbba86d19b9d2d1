"""The real base model and a small task of real tweets, as every test of the core uses them."""

from pathlib import Path

import pytest
import torch

from peft_core import assets
from peft_core.data import inspect_dataset
from peft_core.spec import Splits, TaskSpec
from peft_core.tasks.classification import Classification


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """One thread: results are then the same to the last bit on any number of cores."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def minilm() -> Path:
    return assets.base_models()["minilm"].folder


@pytest.fixture(scope="session")
def tweets() -> TaskSpec:
    """Tweets with splits small enough for a test: 64 train, 32 validation, 48 test."""
    asset = assets.tasks()["tweets"]
    splits = Splits(train=64, validation=32, test=48)
    summary = inspect_dataset(asset.dataset, kind=Classification, columns=asset.columns, splits=splits)
    return TaskSpec(
        name="tweets",
        kind=asset.kind,
        dataset=asset.dataset,
        dataset_sha256=summary.sha256,
        **asset.columns.model_dump(),
        labels=summary.labels,
        splits=splits,
    )
