"""Which turns pass the base model together."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from peft_core.fused.layout import Member, Turn
from peft_core.graft import Graft

MOST_PADDING = 0.15
"""Of a pass, the share of positions that may be there only because another run's texts are longer."""


def arranged(
    turns: Sequence[Turn], graft_of: Callable[[Member], Graft], most_rows: int, most_padding: float = MOST_PADDING
) -> Iterator[list[Turn]]:
    """Passes of at most `most_rows` texts (or of one turn) that are about as long, neighbours of one configuration.

    Runs of one seed learn from the same batches, so that they meet again at every step.
    """

    def place(turn: Turn) -> tuple[Any, ...]:
        graft = graft_of(turn.member)
        return graft.reaches_base, graft.prompt_length, turn.length, graft.prefix_length

    found: list[Turn] = []
    for turn in sorted(turns, key=place):
        if found and not _go_together([*found, turn], graft_of, most_rows, most_padding):
            yield _neighbours(found)
            found = []
        found.append(turn)
    if found:
        yield _neighbours(found)


def _go_together(
    turns: Sequence[Turn], graft_of: Callable[[Member], Graft], most_rows: int, most_padding: float
) -> bool:
    grafts = [graft_of(turn.member) for turn in turns]
    rows = max(turn.rows for turn in turns)
    own = [graft.prompt_length + turn.length for graft, turn in zip(grafts, turns, strict=True)]
    width = max(graft.prompt_length for graft in grafts) + max(turn.length for turn in turns)
    padding = 1 - sum(own) / (len(own) * width)
    # What does not reach into the base has no way back through it either, and none to wait for.
    alike = len({graft.reaches_base for graft in grafts}) == 1
    return alike and rows * len(turns) <= most_rows and padding <= most_padding


def _neighbours(turns: Sequence[Turn]) -> list[Turn]:
    return sorted(turns, key=lambda turn: turn.member.configuration)
