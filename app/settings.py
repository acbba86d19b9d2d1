"""Every environment variable of the product, typed; nothing else reads the environment."""

import os
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

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
    database_password_file: FilePath | None = None
    """A file that holds the password of `database_url`, which then need not hold it."""
    store: Path | None = None
    """Where adapters are kept, shared by web and workers; None: `home`/store."""
    model_roots: str = ""
    """More folders that base models may be read from, separated by the system's path separator."""
    dataset_roots: str = ""
    """More folders that datasets may be read from."""
    url: Annotated[str, Field(pattern=r"^https?://[^@]+$")] | None = None
    """The server that commands ask; None: they work on the home's own database."""
    token: SecretStr | None = None
    """The API token that they show that server."""
    token_file: FilePath | None = None
    """A file that holds the token instead, as container secrets are."""
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
    """The form of log lines; None: text on a terminal, else JSON."""
    keep_log_days: int | None = Field(default=None, ge=1)
    """How long the log of a run is kept after the run has ended; None: as long as the run. What was measured stays."""
    keep_audit_days: int | None = Field(default=None, ge=1)
    """How long the audit log goes back; None: to the beginning."""
    metrics_token_file: FilePath | None = None
    """A file that holds a token for /metrics alone; None: only an operator may read them."""
    trusted_proxies: str = ""
    """Addresses or networks of reverse proxies whose X-Forwarded-For and -Proto are believed, with commas between."""
    leave_seconds: float = Field(default=0.0, ge=0)
    """How long a web process that was told to stop goes on, not ready, for a load balancer to send nobody more."""
    stop_seconds: int = Field(default=5, ge=1)
    """What requests that are being answered have to be finished then."""
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
    oidc_issuer: str | None = None
    """The identity provider that people may log in at (OpenID Connect), as its tokens name it: https, or loopback."""
    oidc_client_id: str | None = None
    """What this installation is called there."""
    oidc_client_secret: SecretStr | None = None
    """What it shows there that it is the one; without it, nobody is sent there."""
    oidc_client_secret_file: FilePath | None = None
    """A file that holds the secret instead, as container secrets are."""
    oidc_name: str = "OpenID Connect"
    """What the button calls the provider."""
    oidc_team: str = "local"
    """The team that whoever the provider knows joins, where `oidc_role` says as what."""
    oidc_role: Literal["viewer", "member", "admin"] | None = None
    """What whoever the provider knows becomes in that team; None: only people whom an invitation has let
    in."""
    lease_seconds: float = Field(default=30.0, gt=0)
    """How long a run stays with a worker that gives no sign of life; then it goes back into the queue."""
    checkpoint_seconds: float = Field(default=30.0, ge=0)
    """How far apart checkpoints of a run are at least, and so what a lost worker costs at most."""
    drain_seconds: float = Field(default=25.0, ge=0)
    """What running runs have to reach a checkpoint when their worker is told to stop."""
    run_memory_bytes: int | None = Field(default=None, ge=2**28)
    """What a run's process may hold of main memory (Linux, beyond what it was forked with); None: no limit."""
    slots: int | None = Field(default=None, ge=1)
    """Quality runs a worker trains side by side, one thread each; None: one for each core on a CPU, else one. Runs that
    train together have one of them."""
    most_together: int | None = Field(default=None, ge=1)
    """Runs of one study that train together in one process at most; None: as many as pay and fit the free memory."""

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
        if self.database_url is None:
            return f"sqlite:///{self.home_folder / 'atlas.sqlite'}"
        if self.database_password_file is None:
            return self.database_url
        from sqlalchemy import make_url

        password = self.database_password_file.read_text(encoding="utf-8").strip("\r\n")
        return make_url(self.database_url).set(password=password).render_as_string(hide_password=False)

    @cached_property
    def metrics_token(self) -> str | None:
        """What lets a program read /metrics alone."""
        if self.metrics_token_file is None:
            return None
        return self.metrics_token_file.read_text(encoding="utf-8").strip()

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
        token = _secret(self.hub_token, self.hub_token_file) or os.environ.get("HF_TOKEN")
        return Hub(self.hub_endpoint, cache, token, offline=not self.hub_enabled)

    @cached_property
    def api_token(self) -> str | None:
        """What commands show the server at `url`."""
        return _secret(self.token, self.token_file)

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
    def oidc_secret(self) -> str | None:
        """The client's secret at the identity provider."""
        if self.oidc_client_secret is None and self.oidc_client_secret_file is not None:
            return self.oidc_client_secret_file.read_text(encoding="utf-8").strip()
        return self.oidc_client_secret.get_secret_value() if self.oidc_client_secret else None

    @cached_property
    def oidc_on(self) -> bool:
        """Whether people may log in at an identity provider."""
        return None not in (self.oidc_issuer, self.oidc_client_id, self.oidc_secret)

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
        return [self.home_folder / "models", self.hub.cache_folder, *self.folders(self.model_roots)]

    def roots_for_datasets(self) -> list[Path]:
        """Folders under which a dataset may lie."""
        return [self.home_folder / "datasets", *self.folders(self.dataset_roots)]

    @staticmethod
    def folders(separated: str) -> list[Path]:
        """The folders that one of the settings names."""
        return [Path(part).expanduser().resolve() for part in separated.split(os.pathsep) if part]


def given_variables(prefix: str) -> list[str]:
    """The environment variables of this prefix, whether anything reads them or not."""
    return sorted(name for name in os.environ if name.startswith(prefix))


def _secret(given: SecretStr | None, file: Path | None) -> str | None:
    if given is not None:
        return given.get_secret_value()
    return file.read_text(encoding="utf-8").strip() if file is not None else None
