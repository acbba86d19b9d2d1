"""Which base models a study may name, and where they lie."""

import hashlib
from functools import lru_cache
from pathlib import Path

from app.errors import Invalid
from app.schemas import BaseModelCard
from app.services.roots import resolve_under
from app.settings import Settings
from peft_core import assets
from peft_core.errors import InvalidBaseModel
from peft_core.model_shape import ModelShape, read_model_shape

VARIABLE = "PEFT_ATLAS_MODEL_ROOTS"


def find_base_model(settings: Settings, name: str) -> Path:
    """The folder of a registered name, of a folder in the home's models, or of a path under an allowed root.

    Raises Invalid where there is none, or it lies elsewhere.
    """
    registered = assets.base_models()
    if name in registered:
        return registered[name].folder
    return resolve_under(settings.roots_for_models(), name, variable=VARIABLE, field="base_model", what="base model")


def read_shape(folder: Path) -> ModelShape:
    """The shape of the base model in `folder`; raises Invalid naming what the folder lacks."""
    try:
        return read_model_shape(folder)
    except InvalidBaseModel as error:
        raise Invalid(str(error), field="base_model") from None


def weights_sha256(folder: Path) -> str:
    """One hash over all weights files of the folder, by which runs know that they started from the same base."""
    files = sorted(folder.glob("*.safetensors"))
    stamps = tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files)
    return _hash_files(stamps)


@lru_cache(maxsize=64)
def _hash_files(stamps: tuple[tuple[str, int, int], ...]) -> str:
    # Cached by size and time of change: hashing gigabytes at every launch would cost more than the launch.
    digest = hashlib.sha256()
    for path, _, _ in stamps:
        with Path(path).open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


def list_base_models(settings: Settings) -> list[BaseModelCard]:
    """The registered base models, then the usable folders of the home's models."""
    cards = [_card(name, asset.folder, asset.source) for name, asset in assets.base_models().items()]
    own = settings.home_folder / "models"
    for folder in sorted(own.iterdir()) if own.is_dir() else []:
        try:
            cards.append(_card(folder.name, folder, f"models/{folder.name} in the home folder"))
        except InvalidBaseModel:
            # A folder that is not a model is not offered; naming it in a study says why.
            continue
    return cards


def _card(name: str, folder: Path, source: str) -> BaseModelCard:
    shape = read_model_shape(folder)
    return BaseModelCard(
        name=name,
        path=str(folder),
        model_type=shape.model_type,
        parameters=shape.parameters,
        hidden_size=shape.hidden_size,
        layers=shape.layers,
        source=source,
    )
