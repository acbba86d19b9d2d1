"""What an installation is made of: versions, database, the settings that are set, and what is not installed."""

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr
from sqlalchemy import Engine, text

from app.db.migrate import present_revision
from app.language import tr
from app.schemas import NotInstalled, SettingView, SystemView, UnusableFolder
from app.services.base_models import unusable_models
from app.settings import Settings
from peft_core import assets

PACKAGES = ("torch", "transformers", "peft", "datasets", "bitsandbytes", "ray", "numpy", "scipy", "fastapi", "dash")
"""What results, or what shows them, depend on."""
VERSION_QUERIES = {"sqlite": "SELECT sqlite_version()", "postgresql": "SHOW server_version"}
PREFIX = "PEFT_ATLAS_"


def system(engine: Engine, settings: Settings) -> SystemView:
    """Told to whoever administers it; no secret is in it."""
    backend = engine.url.get_backend_name()
    present, newest = present_revision(engine)
    with engine.connect() as connection:
        server = connection.execute(text(VERSION_QUERIES[backend])).scalar_one()
    return SystemView(
        product_version=version("peft-atlas"),
        python_version=platform.python_version(),
        packages={name: _version(name) for name in PACKAGES},
        database="SQLite" if backend == "sqlite" else "PostgreSQL",
        database_version=str(server),
        revision=present,
        newest_revision=newest,
        settings=[_setting(settings, name) for name in sorted(settings.model_fields_set)],
        not_installed=_not_installed(),
        unusable_models=[
            UnusableFolder(folder=str(folder), reason=reason) for folder, reason in unusable_models(settings)
        ],
    )


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _setting(settings: Settings, name: str) -> SettingView:
    alias = type(settings).model_fields[name].validation_alias
    variable = alias if isinstance(alias, str) else PREFIX + name.upper()
    return SettingView(variable=variable, value=_told(getattr(settings, name)))


def _told(value: Any) -> str:
    """A setting's value without what must not be told: secrets, and whatever an address says before its host."""
    if isinstance(value, SecretStr):
        return tr("set, not shown")
    words = str(value)
    parts = urlsplit(words) if "://" in words else None
    if parts is None:
        return words
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"


def _not_installed() -> list[NotInstalled]:
    """Base models first, as the sources are ordered."""
    found = []
    for source in assets.sources():
        for model in source.base_models():
            if not model.folder.exists():
                found.append(_missing(model.name, model.title, source.download_bytes, "base model"))
        for task in source.tasks():
            if not task.dataset.exists():
                found.append(_missing(task.name, task.title, source.download_bytes, "task"))
    return found


def _missing(name: str, title: str, download_bytes: int, kind: Any) -> NotInstalled:
    command = f"make assets NAMES={name}"
    return NotInstalled(name=name, kind=kind, title=title, download_bytes=download_bytes, command=command)
