"""How a model hub is reached through the library huggingface_hub, and what its refusals mean."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from peft_core.errors import HubError
from peft_core.spec import HubSource

if TYPE_CHECKING:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

TOKEN = "PEFT_ATLAS_HUB_TOKEN (HF_TOKEN outside the product)"


@dataclass(frozen=True)
class Hub:
    """A model hub and its cache on this machine.

    What is None is as the library is set up: HF_ENDPOINT, HF_HUB_CACHE, HF_TOKEN or `hf auth login`.
    """

    endpoint: str | None = None
    cache: Path | None = None
    token: str | None = field(default=None, repr=False)
    offline: bool = False
    """True: only what is in the cache is used. HF_HUB_OFFLINE says the same."""

    @property
    def api(self) -> "HfApi":
        from huggingface_hub import HfApi, constants
        from huggingface_hub.utils.logging import set_verbosity_error
        from huggingface_hub.utils.tqdm import disable_progress_bars

        # A download speaks through its events; the library's own lines would also hold signed addresses.
        set_verbosity_error()  # type: ignore[no-untyped-call]
        disable_progress_bars()
        # With telemetry on, the library asks the hub for more than files before its first request.
        constants.HF_HUB_DISABLE_TELEMETRY = True
        return HfApi(endpoint=self.endpoint, token=self.token, library_name="peft-atlas")

    @property
    def cache_folder(self) -> Path:
        """Where all tools of the hub keep what they have downloaded."""
        from huggingface_hub import constants

        return self.cache or Path(constants.HF_HUB_CACHE)

    @property
    def silent(self) -> bool:
        """Whether the hub must not be asked."""
        from huggingface_hub import is_offline_mode

        return self.offline or is_offline_mode()

    def repository_folder(self, source: HubSource) -> Path:
        """A repository's place in the cache, as the hub's tools lay it out."""
        return self.cache_folder / f"{source.kind}s--{source.repository.replace('/', '--')}"

    def snapshot_folder(self, source: HubSource) -> Path:
        """Where the files that are read of a repository's commit lie, or will lie."""
        return self.repository_folder(source) / "snapshots" / source.commit / source.folder


def explained(error: "HfHubHTTPError", hub: Hub, kind: str, repository: str, revision: str | None) -> HubError:
    """What a refusal of the hub means for the person who named the repository. The library's own text is left out: it
    may hold signed addresses."""
    from huggingface_hub.errors import (
        DisabledRepoError,
        GatedRepoError,
        RemoteEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    endpoint, status = hub.api.endpoint, error.response.status_code
    page = f"{endpoint}/{'datasets/' if kind == 'dataset' else ''}{repository}"
    match error:
        case GatedRepoError():
            said = (
                f"{repository} is gated: its owner asks for consent. Accept the terms at {page}, then set {TOKEN} to a"
                " token of the account that accepted them."
            )
        case RepositoryNotFoundError():
            said = (
                f"There is no {kind} {repository} at {endpoint}, or it is private. Check the id; for a private one, set"
                f" {TOKEN} to a token that may read it."
            )
        case RevisionNotFoundError():
            said = f"{repository} has no revision {revision!r}. Name one of its branches or tags, or a whole commit."
        case DisabledRepoError():
            said = f"{repository} has been disabled at {endpoint}. Choose another {kind}."
        case RemoteEntryNotFoundError():
            said = f"A file of {repository} at {revision} is gone from {endpoint}. Look at {page}."
        case _ if status == 404:
            said = f"{endpoint} does not answer as a model hub does. Check HF_ENDPOINT."
        case _ if status in (401, 403):
            said = f"{endpoint} refused the token (status {status}). Set {TOKEN} to one that is valid and may read."
        case _:
            said = f"{endpoint} answered with status {status} when asked for {repository}. Try again later."
    return HubError(said)
