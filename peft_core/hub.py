"""Base models and datasets of a model hub: named by id, pinned to a commit, found in the cache or on the hub.

Everything goes through the library huggingface_hub into the cache that all tools of the hub share: what another tool
has fetched is used, and nothing is fetched twice. A commit that is in the cache whole is used without asking the hub.
"""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from peft_core.errors import HubError
from peft_core.hub_access import Hub, explained
from peft_core.hub_download import download, refuse_code
from peft_core.hub_files import CONFIG, HubFile, Snapshot, dataset_files, missing_model_file, model_files
from peft_core.spec import HubSource, OnEvent, RunSpec

Kind = Literal["model", "dataset"]

HUB_NAME = re.compile(
    r"(?!.*(\.\.|--|//|\.git(@|$)))"
    r"(?P<repository>\w([\w.-]{0,94}\w)?/\w([\w.-]{0,94}\w)?)(@(?P<revision>\w([\w./-]{0,198}\w)?))?",
    re.ASCII,
)
COMMIT = re.compile(r"[0-9a-f]{40}")

ANSWER_SECONDS = 10.0
"""How long the hub may take to say what it has."""

SMALL_FILE: dict[Kind, str] = {"model": CONFIG, "dataset": "README.md"}
"""What is fetched at once when a repository is found: what a model is, and what a dataset's owner says of it."""


class NotCached(HubError):
    """Something is not in the cache, and the hub could not be asked."""


@dataclass(frozen=True)
class _Asked:
    """What somebody named: `folder` None leaves the choice of a dataset's folder to us."""

    kind: Kind
    repository: str
    revision: str | None
    folder: str | None

    def __str__(self) -> str:
        return self.repository if self.revision is None else f"{self.repository}@{self.revision}"


def is_hub_name(name: str) -> bool:
    """Whether `name` is written as org/name or org/name@revision; then it leads neither upwards nor to the root."""
    return HUB_NAME.fullmatch(name) is not None


def find(hub: Hub, kind: Kind, name: str, folder: str | None = None) -> Snapshot:
    """What org/name or org/name@revision (a branch, a tag or a commit) is now, pinned to its commit.

    `folder` chooses among a dataset's folders. A model's config.json is in the cache then. Raises HubError where there
    is no such thing, no access to it, or nothing in it that we read, and NotCached naming the first file that is not in
    the cache where the hub cannot be asked.
    """
    named = HUB_NAME.fullmatch(name)
    if named is None:
        raise HubError(f"{name[:200]!r} is not the id of a {kind} on a hub. Write org/name or org/name@revision.")
    snapshot = _found(hub, _Asked(kind, named["repository"], named["revision"], folder))
    if kind == "model":
        refuse_code(snapshot.folder / CONFIG, str(snapshot.source))
    return snapshot


def fetch(hub: Hub, source: HubSource, on_event: OnEvent) -> Path:
    """The folder with the files of `source`: at once where all are in the cache, else when they are downloaded."""
    return download(hub, find(hub, source.kind, str(source), source.folder), on_event)


def on_this_machine(spec: RunSpec, hub: Hub, on_event: OnEvent) -> RunSpec:
    """The spec with its base model and dataset where they lie on this machine, downloaded where they are missing."""
    task = spec.task
    if task.source is not None:
        task = task.model_copy(update={"dataset": fetch(hub, task.source, on_event)})
    base_model = spec.base_model
    if spec.base_model_source is not None:
        base_model = fetch(hub, spec.base_model_source, on_event)
    return spec.model_copy(update={"base_model": base_model, "task": task})


def _found(hub: Hub, asked: _Asked) -> Snapshot:
    """A commit that is whole in the cache is never asked for; a branch is, for it may have moved."""
    if asked.revision is not None and COMMIT.fullmatch(asked.revision):
        with suppress(NotCached):
            return _in_cache(hub, asked, "")
    if hub.silent:
        return _in_cache(hub, asked, "the hub is not asked (HF_HUB_OFFLINE is set, or PEFT_ATLAS_HUB_ENABLED is not)")
    return _on_hub(hub, asked)


def _on_hub(hub: Hub, asked: _Asked) -> Snapshot:
    """Ask the hub, and have the library remember its answer in the cache: the branch's commit and its list of files."""
    from httpx2 import TransportError
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, RevisionResolutionError

    api, kind, repository, cache = hub.api, asked.kind, asked.repository, hub.cache_folder
    ask = api.model_info if kind == "model" else api.dataset_info
    try:
        found = ask(repository, revision=asked.revision, files_metadata=True, timeout=ANSWER_SECONDS)
        source = HubSource(kind=kind, repository=repository, commit=found.sha or "")
        api.resolve_revision(repository, repo_type=kind, revision=asked.revision, cache_dir=cache)
        api.snapshot_download(
            repository, repo_type=kind, revision=source.commit, cache_dir=cache, allow_patterns=SMALL_FILE[kind]
        )
    except (TransportError, LocalEntryNotFoundError, RevisionResolutionError) as error:
        return _in_cache(hub, asked, f"{api.endpoint} did not answer ({type(error).__name__})")
    except HfHubHTTPError as error:
        if error.response.status_code >= 500:
            return _in_cache(hub, asked, f"{api.endpoint} is out of order (status {error.response.status_code})")
        raise explained(error, hub, kind, repository, asked.revision) from None
    except OSError as error:
        raise HubError(f"{cache} cannot be written ({error.strerror}). Make room or give access to it.") from None
    except (ValueError, KeyError, TypeError):
        raise HubError(f"{api.endpoint} does not answer as a model hub does. Check HF_ENDPOINT.") from None
    files = [
        HubFile(entry.rfilename, entry.size or 0, entry.lfs.sha256 if entry.lfs else None)
        for entry in found.siblings or ()
    ]
    return _snapshot(hub, source, files, asked.folder)


def _in_cache(hub: Hub, asked: _Asked, why: str) -> Snapshot:
    """The snapshot where all of it is in the cache; raises NotCached naming the first file that is not."""
    from huggingface_hub.errors import RevisionResolutionError

    try:
        commit = hub.api.resolve_revision(
            asked.repository,
            repo_type=asked.kind,
            revision=asked.revision,
            cache_dir=hub.cache_folder,
            local_files_only=True,
        ).resolved
    except RevisionResolutionError:
        first = CONFIG if asked.kind == "model" else "The list of files"
        raise _not_cached(hub, asked, f"{first} of {asked.repository} at {asked.revision or 'main'}", why) from None
    source = HubSource(kind=asked.kind, repository=asked.repository, commit=commit)
    listed = _remembered_files(hub, source)
    if listed:
        snapshot = _snapshot(hub, source, listed, asked.folder)
        lacking = next((file.name for file in snapshot.missing), None)
    else:
        snapshot = Snapshot(source, hub.snapshot_folder(source), ())
        # Only of a model is it known, without the list, what belongs to it.
        lacking = missing_model_file(snapshot.folder) if asked.kind == "model" else "The list of files"
    if lacking is not None:
        raise _not_cached(hub, asked, f"{lacking} of {asked.repository} at commit {commit}", why)
    return snapshot


def _not_cached(hub: Hub, asked: _Asked, what: str, why: str) -> NotCached:
    return NotCached(
        f"{what} is not in the cache ({hub.cache_folder}), and {why}. Run `peft-atlas fetch {asked.kind} {asked}` where"
        " the hub can be reached, or allow it to be asked."
    )


def _remembered_files(hub: Hub, source: HubSource) -> list[HubFile]:
    from huggingface_hub import get_cached_repo_tree
    from huggingface_hub.errors import CachedRepoTreeNotFoundError

    try:
        found = get_cached_repo_tree(
            source.repository, repo_type=source.kind, revision=source.commit, cache_dir=hub.cache_folder
        )
    except CachedRepoTreeNotFoundError:
        return []
    return [HubFile(entry.path, entry.size) for entry in found]


def _snapshot(hub: Hub, source: HubSource, listed: Sequence[HubFile], folder: str | None) -> Snapshot:
    named = f"{source.repository} at commit {source.commit}"
    if source.kind == "model":
        return Snapshot(source, hub.snapshot_folder(source), model_files(named, listed))
    chosen, files = dataset_files(named, listed, folder)
    source = source.model_copy(update={"folder": chosen})
    return Snapshot(source, hub.snapshot_folder(source), files)
