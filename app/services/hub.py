"""What a study may name on a model hub."""

from app.errors import Invalid
from app.language import mark, tr
from app.schemas import TaskEntry
from app.settings import Settings
from peft_core.errors import HubError
from peft_core.hub import NotCached, find
from peft_core.hub_download import download
from peft_core.hub_files import Snapshot

SMALL_DATASET_BYTES = 50_000_000
"""A dataset up to this size is downloaded while its study is made; a larger one beforehand, by a command."""


def find_hub_model(settings: Settings, name: str) -> Snapshot:
    """The base model `name` at its present commit, nothing of it but config.json downloaded; raises Invalid."""
    try:
        return find(settings.hub, "model", name)
    except HubError as error:
        raise _refused(error, name, mark("base model"), "base_model") from None


def fetch_hub_dataset(settings: Settings, entry: TaskEntry) -> Snapshot:
    """The dataset that `entry` names at its present commit, downloaded where it is small.

    Labels and splits of a study are known when it is made, so that its dataset has to be here. Raises Invalid.
    """
    try:
        snapshot = find(settings.hub, "dataset", entry.dataset, entry.folder)
        size_bytes = sum(file.size_bytes for file in snapshot.missing)
        if size_bytes > SMALL_DATASET_BYTES:
            folder = f" --folder '{snapshot.source.folder}'" if entry.folder is not None else ""
            raise Invalid(
                tr(
                    "{repository} is a download of {size:,.0f} MB; only up to {most:.0f} MB are fetched while a study"
                    " is made. Run `{command}`, then launch again.",
                    repository=snapshot.source.repository,
                    size=size_bytes / 1e6,
                    most=SMALL_DATASET_BYTES / 1e6,
                    command="peft-atlas fetch dataset " + str(snapshot.source) + folder,
                ),
                field="task.dataset",
            )
        download(settings.hub, snapshot, lambda _event: None)
    except HubError as error:
        raise _refused(error, entry.dataset, mark("dataset"), "task.dataset") from None
    return snapshot


def _refused(error: HubError, name: str, what: str, field: str) -> Invalid:
    # Without an answer of the hub, nobody knows whether the name was meant for it.
    if not isinstance(error, NotCached):
        return Invalid(str(error), field=field)
    told = tr(
        "There is no {what} {name!r} in the allowed folders. On the hub: {error}", what=tr(what), name=name, error=error
    )
    return Invalid(told, field=field)
