"""The classes of a dataset, and what cannot be one."""

from collections.abc import Iterable

from peft_core.errors import InvalidDataset

MAX_LABELS = 1_000


def class_labels(found: Iterable[str], column: str | None) -> tuple[str, ...]:
    """The different labels of a column, sorted. Raises InvalidDataset for fewer than two or more than MAX_LABELS."""
    labels = sorted(set(found))
    if len(labels) == 1:
        raise InvalidDataset(f"Column {column!r} has one class, {labels[0][:40]!r}. Two are needed.")
    if len(labels) > MAX_LABELS:
        raise InvalidDataset(
            f"Column {column!r} has {len(labels)} different values; at most {MAX_LABELS} make a classification."
        )
    return tuple(labels)
