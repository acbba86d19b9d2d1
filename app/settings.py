"""Every environment variable of the product, typed; nothing else reads the environment."""

from functools import cached_property
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """`PEFT_ATLAS_*`. Paths are made absolute, so that a process started elsewhere finds the same files."""

    model_config = SettingsConfigDict(env_prefix="PEFT_ATLAS_", extra="ignore")

    home: Path = Path("var")
    """Where the database, the store, and one's own models and datasets live."""
    database_url: str | None = None
    """SQLAlchemy URL; None: SQLite in `home`."""
    store: Path | None = None
    """Where adapters are kept, shared by web and workers; None: `home`/store."""
    model_roots: str = ""
    """More folders that base models may be read from, separated by the system's path separator."""
    dataset_roots: str = ""
    """More folders that datasets may be read from."""
    lease_seconds: float = Field(default=30.0, gt=0)
    slots: int | None = Field(default=None, ge=1)
    """Quality runs a worker trains side by side, one thread each; None: one for each core on a CPU, else one."""

    @cached_property
    def home_folder(self) -> Path:
        return self.home.expanduser().resolve()

    @cached_property
    def store_folder(self) -> Path:
        return (self.store.expanduser().resolve()) if self.store else self.home_folder / "store"

    @cached_property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.home_folder / 'atlas.sqlite'}"

    def roots_for_models(self) -> list[Path]:
        """Folders under which a base model may lie."""
        cache = Path.home() / ".cache" / "huggingface" / "hub"
        return [self.home_folder / "models", cache, *_folders(self.model_roots)]

    def roots_for_datasets(self) -> list[Path]:
        """Folders under which a dataset may lie."""
        return [self.home_folder / "datasets", *_folders(self.dataset_roots)]


def _folders(separated: str) -> list[Path]:
    import os

    return [Path(part).expanduser().resolve() for part in separated.split(os.pathsep) if part]
