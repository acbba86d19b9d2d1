"""Downloading what a run needs of a repository into the hub's cache: checked before, told while it goes on."""

import hashlib
import json
import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from peft_core.errors import HubError
from peft_core.hub_access import Hub, explained
from peft_core.hub_files import CONFIG, HubFile, Snapshot
from peft_core.spec import Log, OnEvent, Progress

FREE_SHARE = 0.1
"""Of the disk, which no download takes."""
TOLD_EVERY_SECONDS = 0.5
MOST_FILES_NAMED = 20
TOKENIZER_CONFIG = "tokenizer_config.json"


def download(hub: Hub, snapshot: Snapshot, on_event: OnEvent) -> Path:
    """Put what is missing of `snapshot` into the cache, telling how far it is; returns the snapshot's folder.

    Every file arrives whole or not at all; what has arrived stays when a later one fails. Raises HubError where the
    disk is too small, access is refused, the network breaks off, or the repository wants to run code.
    """
    missing = snapshot.missing
    if not missing:
        return snapshot.folder
    for file in missing:
        _drop_leftovers(hub, snapshot, file)
    total = sum(file.size_bytes for file in missing)
    _refuse_small_disk(hub.cache_folder, snapshot, total)
    on_event(Log(message=f"downloading {snapshot.source} into {snapshot.folder}: {_listed(missing)}"))
    started, meter = time.monotonic(), _Meter(total, on_event)
    for file in missing:
        _get(hub, snapshot, file, meter)
        meter.finish(file.size_bytes)
        if file.name in (CONFIG, TOKENIZER_CONFIG):
            refuse_code(snapshot.folder / file.name, str(snapshot.source))
    seconds = time.monotonic() - started
    on_event(Log(message=f"downloaded {_megabytes(total)} in {seconds:.1f} s"))
    return snapshot.folder


def refuse_code(file: Path, named: str) -> None:
    """Raises HubError where a configuration is no JSON object, or names code of its own."""
    try:
        found = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise HubError(f"{file.name} of {named} is not a JSON object. Choose another repository or revision.")
    if "auto_map" in found:
        raise HubError(f"{named} asks to run code of its own (auto_map in {file.name}). Such models are not loaded.")


class _Meter:
    """Tells how many bytes have arrived; to the library it is the progress bar of each file."""

    def __init__(self, total_bytes: int, on_event: OnEvent) -> None:
        self._total_bytes = total_bytes
        self._on_event = on_event
        self._finished_bytes = 0
        self._arrived_bytes = 0
        self._told_bytes = 0
        self._tell()

    def __call__(self, **_looks: Any) -> "_Meter":
        return self

    def __enter__(self) -> "_Meter":
        return self

    def __exit__(self, *_error: object) -> None:
        pass

    def update(self, count: float = 1) -> None:
        """So many bytes more of the file; less than none where it starts again."""
        self._arrived_bytes += int(count)
        if time.monotonic() - self._told_at >= TOLD_EVERY_SECONDS:
            self._tell()

    def update_transfer(self, count: float = 1) -> None:
        """Bytes on the network, which one of the hub's protocols counts apart from those of the file."""

    def set_postfix_str(self, text: str = "", refresh: bool = True) -> None:
        """How fast it goes, as a bar shows it."""

    set_transfer_postfix_str = set_postfix_str

    def finish(self, file_bytes: int) -> None:
        """A file is there, whether its bytes came now or were in the cache."""
        self._finished_bytes += file_bytes
        self._arrived_bytes = 0
        self._tell()

    def _tell(self) -> None:
        arrived = min(self._finished_bytes + self._arrived_bytes, self._total_bytes)
        self._told_bytes, self._told_at = max(arrived, self._told_bytes), time.monotonic()
        self._on_event(Progress(phase="downloading", step=self._told_bytes, total_steps=self._total_bytes))


def _get(hub: Hub, snapshot: Snapshot, file: HubFile, meter: _Meter) -> None:
    """One file into the cache, with the hash that the hub named. Runs that want the same file wait for each other."""
    from httpx2 import HTTPError
    from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError, XetDownloadError

    source = snapshot.source
    bar: Any = meter
    try:
        path = hub.api.hf_hub_download(
            source.repository,
            file.name,
            repo_type=source.kind,
            revision=source.commit,
            cache_dir=hub.cache_folder,
            tqdm_class=bar,
        )
    except HfHubHTTPError as error:
        raise explained(error, hub, source.kind, source.repository, source.commit) from None
    except (HTTPError, EntryNotFoundError, XetDownloadError, OSError) as error:
        raise HubError(_broken_off(error, file, snapshot)) from None
    _refuse_damaged(Path(path), file, snapshot)


def _broken_off(error: Exception, file: HubFile, snapshot: Snapshot) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return f"{file.name} could not be written to {snapshot.folder} ({error.strerror}). Make room or give access."
    return (
        f"The download of {file.name} of {snapshot.source} broke off ({type(error).__name__}). Look at the network and"
        " start again: the files that have arrived stay."
    )


def _refuse_damaged(path: Path, file: HubFile, snapshot: Snapshot) -> None:
    if file.sha256 is None:
        return
    with path.open("rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if found != file.sha256:
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise HubError(f"{file.name} of {snapshot.source} is not what the hub announced. Start again.")


def _refuse_small_disk(cache: Path, snapshot: Snapshot, needed_bytes: int) -> None:
    there = next(folder for folder in (cache, *cache.resolve().parents) if folder.exists())
    disk = shutil.disk_usage(there)
    kept_bytes = int(FREE_SHARE * disk.total)
    if needed_bytes > disk.free - kept_bytes:
        raise HubError(
            f"{snapshot.source} needs {_megabytes(needed_bytes)} and the disk of {cache} has {_megabytes(disk.free)}"
            f" free, of which {_megabytes(kept_bytes)} ({FREE_SHARE:.0%} of the disk) stay free. Make room, or set"
            " HF_HUB_CACHE to a folder on a larger disk."
        )


def _drop_leftovers(hub: Hub, snapshot: Snapshot, file: HubFile) -> None:
    """Remove what a killed download has left of a file; the library names it anew each time and never takes it up.

    Its lock tells whether somebody is downloading the file right now.
    """
    from huggingface_hub.utils import WeakFileLock  # type: ignore[attr-defined]

    folder = hub.repository_folder(snapshot.source)
    leftovers = list((folder / "blobs").glob(f"{file.sha256}.*.incomplete")) if file.sha256 else []
    if leftovers:
        lock = hub.cache_folder / ".locks" / folder.name / f"{file.sha256}.lock"
        with suppress(TimeoutError), WeakFileLock(lock, timeout=0.1):
            for leftover in leftovers:
                leftover.unlink(missing_ok=True)


def _listed(files: Sequence[HubFile]) -> str:
    shown = [f"{file.name} {_megabytes(file.size_bytes)}" for file in files[:MOST_FILES_NAMED]]
    more = [f"{len(files) - len(shown)} more"] if len(files) > len(shown) else []
    return f"{', '.join(shown + more)}; {_megabytes(sum(file.size_bytes for file in files))} in all"


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:,.1f} MB"
