"""Whether the store has room for what a study will keep."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from app.errors import DiskFull
from app.language import mark, tr
from peft_core.method import Method
from peft_core.model_shape import ModelShape

SHARE_LEFT_FREE = 0.1
BYTES_STORED = 4
"""A stored number is float32."""
BYTES_CHECKPOINTED = 12
"""A trained number with its two moments."""


FULL = mark(
    "{what} keeps about {needed} of files. {free} of the store's disk ({total}) are free, and {kept} of them stay free."
    " Delete studies that are no longer needed."
)
FULL_OF_A_STUDY = mark(
    "{what} keeps about {needed} of files. {free} of the store's disk ({total}) are free, and {kept} of them stay free."
    " Delete studies that are no longer needed, or ask for fewer methods or seeds."
)


def check_room(store: Path, methods: Sequence[Method], shape: ModelShape, seeds: int) -> None:
    """Raises DiskFull where the study's files would leave less than a tenth of the store's disk free."""
    check_room_for(store, tr("This study"), bytes_kept(methods, shape, seeds), FULL_OF_A_STUDY)


def check_room_for_model(store: Path, shape: ModelShape) -> None:
    """Raises DiskFull where a whole model would leave less than a tenth of the store's disk free."""
    check_room_for(store, tr("The merged model"), bytes_of_model(shape))


def bytes_of_model(shape: ModelShape) -> int:
    """What a whole model takes."""
    return BYTES_STORED * shape.parameters


def check_room_for(store: Path, what: str, needed: int, refusal: str = FULL) -> None:
    """Raises DiskFull where so many bytes would leave less than a tenth of the store's disk free."""
    disk = shutil.disk_usage(nearest_existing(store))
    kept_free = SHARE_LEFT_FREE * disk.total
    if disk.free - needed < kept_free:
        raise DiskFull(
            tr(
                refusal,
                what=what,
                needed=_gigabytes(needed),
                free=_gigabytes(disk.free),
                total=_gigabytes(disk.total),
                kept=_gigabytes(kept_free),
            )
        )


def bytes_kept(methods: Sequence[Method], shape: ModelShape, seeds: int) -> int:
    """Adapters of every reporting seed, of whole models the first alone, and the largest checkpoint on the way."""
    adapters = [
        BYTES_STORED * method.stored_parameters(shape) * (1 if method.stores_whole_model else seeds)
        for method in methods
    ]
    checkpoints = [BYTES_CHECKPOINTED * method.trainable_parameters(shape) for method in methods]
    return sum(adapters) + max(checkpoints, default=0)


def nearest_existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there already."""
    return folder if folder.exists() else nearest_existing(folder.parent)


def _gigabytes(count: float) -> str:
    return f"{count / 1e9:.2f} GB"
