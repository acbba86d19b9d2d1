"""What an installation holds and is: its storage, its parts and settings."""

from typing import Literal

from app.schemas.document import Document


class StudyStorage(Document):
    """The files that a study's runs keep. A file that several of its runs share counts once."""

    study: int
    name: str
    runs: int
    """That keep files."""
    files: int
    bytes: int


class StorageView(Document):
    """GET storage. Sizes are what the database has registered; checkpoints and the database itself are looked at."""

    store: str
    disk_total_bytes: int
    disk_free_bytes: int
    kept_free_bytes: int
    """A launch is refused that would leave less than this."""
    files: int
    file_bytes: int
    """Of every file of the store, each once, whichever studies share it."""
    checkpoint_bytes: int
    """What runs that run or wait have written on the way."""
    dataset_bytes: int
    """Of uploaded datasets."""
    database_bytes: int
    studies: list[StudyStorage]
    """Those that keep most, the largest first."""
    other_studies: int
    """How many keep files besides these."""


class SettingView(Document):
    """A setting that is not at its default. A secret's value is never told."""

    variable: str
    value: str


class NotInstalled(Document):
    """A registered base model or task that nobody has fetched."""

    name: str
    kind: Literal["base model", "task"]
    title: str
    download_bytes: int
    command: str


class UnusableFolder(Document):
    """A folder among the home's models that no study can name, and why."""

    folder: str
    reason: str


class SystemView(Document):
    """GET system."""

    product_version: str
    python_version: str
    packages: dict[str, str | None]
    """Of the packages that results depend on; None: not installed beside the web process."""
    database: Literal["SQLite", "PostgreSQL"]
    database_version: str
    revision: str | None
    newest_revision: str | None
    settings: list[SettingView]
    not_installed: list[NotInstalled]
    unusable_models: list[UnusableFolder]
