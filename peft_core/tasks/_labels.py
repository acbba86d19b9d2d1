"""The classes of a dataset, and what cannot be one."""

from collections.abc import Sequence

from peft_core.data import Row
from peft_core.errors import InvalidDataset
from peft_core.spec import Columns

MAX_LABELS = 1_000


def class_labels(rows: Sequence[Row], columns: Columns) -> tuple[str, ...]:
    """The different labels, sorted. Raises InvalidDataset for fewer than two or more than MAX_LABELS."""
    found = sorted({row.label for row in rows})
    if len(found) == 1:
        raise InvalidDataset(f"Column {columns.label!r} has one class, {found[0][:40]!r}. Two are needed.")
    if len(found) > MAX_LABELS:
        raise InvalidDataset(
            f"Column {columns.label!r} has {len(found)} different values; at most {MAX_LABELS} make a classification."
        )
    return tuple(found)
