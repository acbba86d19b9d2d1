"""Files that hold secrets, which nobody but their owner should read."""

import stat
from collections.abc import Iterator
from pathlib import Path

from app.cli.doctor.finding import Finding, ok, problem
from app.settings import Settings

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def check(settings: Settings) -> Iterator[Finding]:
    """Keys, tokens, and the database with its hashes of passwords."""
    found = [file for file in secret_files(settings) if file.is_file()]
    open_to_others = [file for file in found if file.stat().st_mode & OTHERS]
    for file in open_to_others:
        mode = stat.filemode(file.stat().st_mode)
        yield problem("secrets", f"{file} can be read by other users ({mode})", f"Run `chmod 600 {file}`.")
    if not open_to_others:
        yield ok("secrets", f"{len(found)} files with secrets, of which other users read none")


def secret_files(settings: Settings) -> list[Path]:
    """All that there may be."""
    named = [settings.token_file, settings.hub_token_file]
    return [file for file in named if file is not None]
