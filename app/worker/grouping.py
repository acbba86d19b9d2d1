"""Which of the runs that could start now train together with one that was claimed."""

from collections.abc import Sequence
from dataclasses import dataclass

from peft_core.fused.choice import fusable, most_together, worth_together
from peft_core.spec import RunSpec


@dataclass(frozen=True)
class Room:
    """What there is for a group. slots: all of its worker's, busy or not, and the free ones of other workers: each is
    left its share, for whichever is busy now is free again before a group that took all would end. device: cpu, cuda or
    cuda:N. most: runs; None: no limit but memory and worth.
    """

    slots: int
    memory_bytes: int | None
    device: str = "cpu"
    most: int | None = None


def beside(first: RunSpec, waiting: Sequence[RunSpec], room: Room) -> list[RunSpec]:
    """Those of `waiting`, in the order in which they pay most."""
    if room.most == 1 or not fusable(first):
        return []
    worth = worth_together([first, *(spec for spec in waiting if fusable(spec))])
    others = [spec for spec in worth if spec.run_id != first.run_id]
    if not others:
        return []
    share = -(-(1 + len(others)) // max(1, room.slots))
    limit = share if room.most is None else min(share, room.most)
    fitting = most_together([first, *others], room.memory_bytes, "cpu" if room.device == "cpu" else "cuda")
    return others[: min(limit, fitting) - 1]
