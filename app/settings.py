"""Every environment variable of the product, typed; nothing else reads the environment."""

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, FilePath, PrivateAttr, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from peft_core.hub_access import Hub

TOKEN_VARIABLES = ("PEFT_ATLAS_HUB_TOKEN", "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACEHUB_API_TOKEN")


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
    hub_enabled: bool = False
    """Whether a model hub may be asked for what a study names. HF_HUB_OFFLINE=1 forbids it nonetheless."""
    hub_endpoint: str | None = None
    """The hub's address; None: HF_ENDPOINT, else the library's own."""
    hub_cache: Path | None = None
    """Where downloads are kept, shared by web and workers; None: HF_HUB_CACHE, the cache of all tools of the hub."""
    hub_token: SecretStr | None = None
    """For gated and private repositories; None: HF_TOKEN or `hf auth login`."""
    hub_token_file: FilePath | None = None
    """A file that holds the token instead, as container secrets are."""
    secret_key_file: FilePath | None = None
    """The key that teams' secrets are encrypted with, the same for web and workers; None: secret-key in `home`."""
    log: Literal["json", "text"] | None = None
    """The form of a worker's log lines; None: text on a terminal, else JSON."""
    executor: Literal["local", "ray"] = "local"
    """What a worker's runs are carried out by: processes on its machine, or tasks of a Ray cluster."""
    ray_address: str | None = Field(default=None, validation_alias="RAY_ADDRESS")
    """The cluster, in Ray's own variable (host:port); None: the one that runs on this machine."""
    ray_cpus: int = Field(default=1, ge=1)
    """The cores that a quality run asks of the cluster, and the threads it has."""
    ray_gpus: float | None = Field(default=None, ge=0)
    """The GPUs that a run asks of the cluster, 0.5 for two on one; None: one, on a worker of CUDA devices."""
    hosts: str = ""
    """The names besides loopback ones that browsers may call this server by, with commas between."""
    require_key: bool = False
    """Whether the first-visit key of `home` is asked for while nobody has an account; `up` and `serve` set it."""
    lease_seconds: float = Field(default=30.0, gt=0)
    checkpoint_seconds: float = Field(default=30.0, ge=0)
    """How far apart checkpoints of a run are at least, and so what a lost worker costs at most."""
    drain_seconds: float = Field(default=25.0, ge=0)
    """What running runs have to reach a checkpoint when their worker is told to stop."""
    run_memory_bytes: int | None = Field(default=None, ge=2**28)
    """What a run's process may hold of main memory (Linux, beyond what it was forked with); None: no limit."""
    slots: int | None = Field(default=None, ge=1)
    """Quality runs a worker trains side by side, one thread each; None: one for each core on a CPU, else one."""

    _team_hub: Hub | None = PrivateAttr(None)
    _of_another: Callable[[Path], bool] | None = PrivateAttr(None)

    @cached_property
    def home_folder(self) -> Path:
        return self.home.expanduser().resolve()

    @cached_property
    def store_folder(self) -> Path:
        return (self.store.expanduser().resolve()) if self.store else self.home_folder / "store"

    @cached_property
    def database(self) -> str:
        return self.database_url or f"sqlite:///{self.home_folder / 'atlas.sqlite'}"

    def for_team(self, hub: Hub | None, of_another: Callable[[Path], bool]) -> "Settings":
        """The same as one team meets it. hub: its own, None where it has no token; of_another: which paths it is not to
        know of."""
        own = self.model_copy()
        own._team_hub, own._of_another = hub, of_another
        return own

    def is_of_another(self, path: Path) -> bool:
        """Whether a resolved path is another team's, and so as good as absent."""
        return self._of_another is not None and self._of_another(path)

    @property
    def hub(self) -> Hub:
        """The model hub as whoever these settings are for reaches it."""
        return self._team_hub or self.installation_hub

    @cached_property
    def installation_hub(self) -> Hub:
        cache = self.hub_cache.expanduser().resolve() if self.hub_cache else None
        token = self.hub_token.get_secret_value() if self.hub_token else None
        if token is None and self.hub_token_file is not None:
            token = self.hub_token_file.read_text(encoding="utf-8").strip()
        token = token or os.environ.get("HF_TOKEN")
        return Hub(self.hub_endpoint, cache, token, offline=not self.hub_enabled)

    def hub_environment(self) -> dict[str, str]:
        """The same for the processes of runs, in the variables of the library that downloads there; without the token,
        which only a download is given."""
        found = {"HF_HUB_OFFLINE": str(int(self.hub.silent)), "HF_HUB_CACHE": str(self.hub.cache_folder)}
        if self.hub_endpoint is not None:
            found["HF_ENDPOINT"] = self.hub_endpoint
        return found

    def take_hub_token(self) -> None:
        """Have the token out of this process's environment, which the processes that it starts inherit."""
        _ = self.hub
        for name in TOKEN_VARIABLES:
            os.environ.pop(name, None)

    @cached_property
    def host_names(self) -> frozenset[str]:
        """`hosts`, in lower case."""
        return frozenset(name.strip().lower().strip("[]") for name in self.hosts.split(",") if name.strip())

    def answering_to(self, host: str) -> "Settings":
        """The same, answering also to the address that the server listens on, unless that is every address."""
        if host in ("0.0.0.0", "::"):
            return self
        return self.model_copy(update={"hosts": f"{self.hosts},{host}"})

    def roots_for_models(self) -> list[Path]:
        """Folders under which a base model may lie."""
        return [self.home_folder / "models", self.hub.cache_folder, *_folders(self.model_roots)]

    def roots_for_datasets(self) -> list[Path]:
        """Folders under which a dataset may lie."""
        return [self.home_folder / "datasets", *_folders(self.dataset_roots)]


def _folders(separated: str) -> list[Path]:
    return [Path(part).expanduser().resolve() for part in separated.split(os.pathsep) if part]
