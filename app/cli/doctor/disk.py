"""Room for what runs leave."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from app.cli.doctor.finding import Finding, ok, problem
from app.services.disk import SHARE_LEFT_FREE, nearest_existing
from app.settings import Settings

ROOM_BYTES = 2**20
FREE_SOME = "Free some room: delete studies that are no longer needed, or move the folder to a larger disk"


def check(settings: Settings) -> Iterator[Finding]:
    """The data folder and the store, which may be on a disk of its own."""
    yield _folder("home", settings.home_folder, "PEFT_ATLAS_HOME")
    if not settings.store_folder.is_relative_to(settings.home_folder):
        yield _folder("store", settings.store_folder, "PEFT_ATLAS_STORE")


def _folder(name: str, folder: Path, variable: str) -> Finding:
    there = nearest_existing(folder)
    disk = shutil.disk_usage(there)
    detail = f"{folder}: {_gigabytes(disk.free)} of {_gigabytes(disk.total)} are free"
    try:
        # Only writing tells: quotas and limits refuse a file where the disk itself has room.
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(bytes(ROOM_BYTES))
            file.flush()
    except PermissionError:
        advice = f"Let this user write to {there}, or name another folder by {variable}."
        return problem(name, f"{folder} cannot be written to by this user", advice)
    except OSError as error:
        return problem(name, f"{folder} takes no more files: {error.strerror}", f"{FREE_SOME} ({variable}).")
    if disk.free < SHARE_LEFT_FREE * disk.total:
        return problem(name, f"{detail}; studies are refused below {SHARE_LEFT_FREE:.0%}", f"{FREE_SOME} ({variable}).")
    return ok(name, detail)


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
