"""Which base models a study may name, and where they lie."""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from app.errors import Invalid
from app.language import mark
from app.schemas import BaseModelCard
from app.services.hub import find_hub_model
from app.services.roots import lies_under, resolve_under
from app.services.team_settings import UPLOADS
from app.settings import Settings
from peft_core import assets
from peft_core.errors import InvalidBaseModel
from peft_core.hub import is_hub_name
from peft_core.hub_files import CONFIG, Snapshot
from peft_core.model_config import shape_from_config
from peft_core.model_shape import ModelShape, read_model_shape

VARIABLE = "PEFT_ATLAS_MODEL_ROOTS"


@dataclass(frozen=True)
class FoundBase:
    """A base model that a study may name: the name that means the same for good, and where its files are.

    `snapshot`: it comes from a hub, and the first run downloads what is still missing.
    """

    name: str
    folder: Path
    snapshot: Snapshot | None = None

    @property
    def complete(self) -> bool:
        return self.snapshot is None or not self.snapshot.missing


def find_base_model(settings: Settings, name: str) -> FoundBase:
    """A registered name, a folder in the home's models, a path under an allowed root, or else a hub's org/name.

    Raises Invalid where there is none, or it lies elsewhere; MissingAsset for a registered one that nobody has fetched.
    """
    registered = assets.base_models()
    if name in registered:
        return FoundBase(name, registered[name].folder)
    roots = settings.roots_for_models()
    if is_hub_name(name) and not lies_under(roots, name, settings.is_of_another):
        snapshot = find_hub_model(settings, name)
        return FoundBase(str(snapshot.source), snapshot.folder, snapshot)
    try:
        folder = resolve_under(
            roots,
            name,
            hidden=settings.is_of_another,
            variable=VARIABLE,
            field="base_model",
            what=mark("base model"),
        )
    except Invalid:
        assets.refuse_missing(name)
        raise
    return FoundBase(name, folder)


def read_shape(base: FoundBase) -> ModelShape:
    """The shape of a base model, from its config.json alone where it is not downloaded yet.

    Raises Invalid naming what the folder lacks, or what of the config is not known.
    """
    try:
        if base.complete:
            return read_model_shape(base.folder)
        return shape_from_config(json.loads((base.folder / CONFIG).read_bytes()))
    except InvalidBaseModel as error:
        raise Invalid(str(error), field="base_model") from None


def weights_sha256(base: FoundBase) -> str:
    """One hash over all weights files, by which runs know that they started from the same base.

    Where they are not downloaded yet, from the hashes that the hub gives; empty where it gives none.
    """
    if base.snapshot is not None and not base.complete:
        return base.snapshot.weights_sha256 or ""
    files = sorted(base.folder.glob("*.safetensors"))
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


def unusable_models(settings: Settings) -> list[tuple[Path, str]]:
    """The folders among the home's models that no study can name, and why."""
    found = []
    for folder in _own_models(settings):
        try:
            read_model_shape(folder)
        except InvalidBaseModel as error:
            found.append((folder, str(error)))
    return found


def _own_models(settings: Settings) -> list[Path]:
    """Those of the home that are everybody's, then those of the caller's team."""
    own = settings.home_folder / "models"
    shared = [folder for folder in own.glob("*") if folder.name != UPLOADS]
    of_team = [folder for folder in own.glob(f"{UPLOADS}/*/*") if not settings.is_of_another(folder.resolve())]
    return sorted(shared) + sorted(of_team)


def list_base_models(settings: Settings) -> list[BaseModelCard]:
    """The registered base models, then the usable folders of the home's models."""
    cards = [
        _card(asset.name, asset.folder, asset.title, asset.source, asset.licence)
        for asset in assets.base_models().values()
    ]
    for folder in _own_models(settings):
        try:
            name = str(folder.relative_to(settings.home_folder / "models"))
            cards.append(_card(name, folder, folder.name, f"models/{name} in the home folder"))
        except InvalidBaseModel:
            # A folder that is not a model is not offered; naming it in a study says why.
            continue
    return cards


def describe_base_model(settings: Settings, name: str) -> BaseModelCard:
    """What a base model is that a study could name: registered, a folder of one's own, or a hub's.

    Raises Invalid naming what it lacks.
    """
    registered = assets.base_models().get(name)
    if registered is not None:
        return _card(name, registered.folder, registered.title, registered.source, registered.licence)
    found = find_base_model(settings, name)
    source = str(found.snapshot.source) if found.snapshot else str(found.folder)
    return _shown(found.name, found.folder, read_shape(found), found.folder.name, source, None)


def _card(name: str, folder: Path, title: str, source: str, licence: str | None = None) -> BaseModelCard:
    return _shown(name, folder, read_model_shape(folder), title, source, licence)


def _shown(name: str, folder: Path, shape: ModelShape, title: str, source: str, licence: str | None) -> BaseModelCard:
    return BaseModelCard(
        name=name,
        title=title,
        path=str(folder),
        model_type=shape.model_type,
        parameters=shape.parameters,
        hidden_size=shape.hidden_size,
        layers=shape.layers,
        source=source,
        licence=licence,
    )
