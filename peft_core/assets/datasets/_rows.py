"""Writing what a source holds as a dataset file, and refusing what is not the expected one."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from peft_core.errors import MissingAsset


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def refuse_other_count(found: int, expected: int, what: str, package: str) -> None:
    """Raises MissingAsset where a source does not hold as many of something as this version expects."""
    if found != expected:
        raise MissingAsset(
            f"{package} holds {found:,} {what}, not {expected:,}: the download is not the expected one. Clear pip's"
            " cache and try again."
        )
