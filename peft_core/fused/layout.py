"""How the rows of many runs lie in one batch, and what of it is each run's own."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from typing import Any

import torch
from torch import nn

from peft_core.data import Item
from peft_core.errors import PeftCoreError
from peft_core.fused.random_stream import RandomStream
from peft_core.graft import Graft, unwrapped
from peft_core.method import Method
from peft_core.task import MODEL_INPUTS, Batch


class CannotShare(PeftCoreError):
    """Something in the base model or a method that a shared pass does not know how to keep apart."""


@dataclass(frozen=True, eq=False)
class Member:
    """A run that may share passes: its attached model, whose frozen tensors are the base's own, and its numbers."""

    method: Method
    model: nn.Module
    stream: RandomStream
    configuration: str
    """Runs of one name differ in learning rate and seed only."""

    @property
    def own(self) -> Any:
        """Its transformers model, with the run's own head."""
        return unwrapped(self.model)


@dataclass(frozen=True, eq=False)
class Turn:
    """A member's batch in one pass. `batch` is as its task collates it."""

    member: Member
    items: Sequence[Item]
    batch: Batch

    @property
    def inputs(self) -> Batch:
        """What the base reads, each (rows, longest): an item of several texts is several rows."""
        return {name: self.batch[name].flatten(0, -2) for name in MODEL_INPUTS if name in self.batch}

    @property
    def length(self) -> int:
        return int(self.batch["input_ids"].shape[-1])

    @property
    def rows(self) -> int:
        return self.batch["input_ids"].shape[:-1].numel()


@dataclass(frozen=True)
class Block:
    """Neighbours of one configuration in a pass: its turns are those from `start` to `stop`."""

    graft: Graft
    start: int
    stop: int

    @property
    def runs(self) -> int:
        return self.stop - self.start

    def of(self, turns: Sequence[Turn]) -> Sequence[Turn]:
        return turns[self.start : self.stop]


@dataclass
class Layout:
    """The rows of one pass: each turn has `rows` of `length` positions, behind `prompt` positions for virtual tokens,
    and attention reads `prefix` more in front of all. What is a turn's own stands at the right end of such room."""

    turns: Sequence[Turn]
    blocks: Sequence[Block]
    rows: int
    length: int
    prompt: int
    prefix: int
    leaders: dict[Turn, Turn] = field(default_factory=dict)
    """Turn -> the turn that draws for it in the base: one of its own configuration with the same batch and random
    state. A turn that is not here draws for itself."""

    @property
    def uneven(self) -> bool:
        """Whether some rows have more virtual tokens than others."""
        grafts = [block.graft for block in self.blocks]
        return any((graft.prompt_length, graft.prefix_length) != (self.prompt, self.prefix) for graft in grafts)

    @cached_property
    def grafts(self) -> dict[Turn, Graft]:
        return {turn: block.graft for block in self.blocks for turn in block.of(self.turns)}

    def rows_of(self, tensor: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        """Those of the turns from `start` to `stop`."""
        return tensor[start * self.rows : stop * self.rows]

    def own_part(self, turn: Turn, part: torch.Tensor) -> torch.Tensor:
        """What of a turn's part of a tensor there would be if the run trained alone. Raises CannotShare for a tensor
        that is neither (rows, width) nor (rows, positions, width)."""
        own = part[: turn.rows]
        if part.ndim == 3 and part.shape[1] == self.prompt + self.length:
            return own[:, self._queries(turn)]
        if part.ndim == 2:
            return own
        raise CannotShare(f"a tensor of the shape {tuple(part.shape)} in the base model is not known")

    def own_parts(self, turn: Turn, part: torch.Tensor) -> list[torch.Tensor]:
        """As `own_part`, also of attention, (rows, heads, queries, keys): there in two parts, side by side if alone,
        where room for the prompts of others lies between a run's prefix and its text."""
        positions = self.prompt + self.length
        if part.ndim != 4 or part.shape[2:] != (positions, self.prefix + positions):
            return [self.own_part(turn, part)]
        own, graft = part[: turn.rows, :, self._queries(turn)], self.grafts[turn]
        text = self.prefix + self.prompt - graft.prompt_length
        end = self.prefix + self.prompt + turn.length
        if not graft.prefix_length or text == self.prefix:
            return [own[..., text - graft.prefix_length : end]]
        return [own[..., self.prefix - graft.prefix_length : self.prefix], own[..., text:end]]

    def _queries(self, turn: Turn) -> slice:
        return slice(self.prompt - self.grafts[turn].prompt_length, self.prompt + turn.length)

    def filled_up(self, answered: torch.Tensor, read: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
        """What a run's own module made of `read`, its own part of `part`, with what stands around it in the pass and
        nothing reads: the inverse of `own_part`."""
        rows = [0, len(part) - len(read)]
        if answered.ndim < 3 or read.shape[1] == part.shape[1]:
            return nn.functional.pad(answered, [0, 0] * (answered.ndim - 1) + rows) if rows[1] else answered
        front = (read.storage_offset() - part.storage_offset()) // part.stride(1)
        positions = [front, part.shape[1] - read.shape[1] - front]
        return nn.functional.pad(answered, [0, 0] * (answered.ndim - 2) + positions + rows)

    def catch_up(self) -> None:
        """Random numbers stand where they would if every turn had drawn for itself, as it does from here on."""
        for turn, leader in self.leaders.items():
            if turn is not leader:
                turn.member.stream.state = leader.member.stream.state
        self.leaders = {}


def lay_out(turns: Sequence[Turn], graft_of: Callable[[tuple[Member, ...]], Graft]) -> Layout:
    """Neighbours of one configuration become one block."""
    blocks: list[Block] = []
    for _, group in groupby(turns, key=lambda turn: turn.member.configuration):
        neighbours = tuple(turn.member for turn in group)
        start = blocks[-1].stop if blocks else 0
        blocks.append(Block(graft_of(neighbours), start, start + len(neighbours)))
    return Layout(
        turns=turns,
        blocks=blocks,
        rows=max(turn.rows for turn in turns),
        length=max(turn.length for turn in turns),
        prompt=max(block.graft.prompt_length for block in blocks),
        prefix=max(block.graft.prefix_length for block in blocks),
        # A module that answers for one run alone draws for that run alone.
        leaders=_leaders([turn for block in blocks if not block.graft.instead for turn in block.of(turns)]),
    )


def _leaders(turns: Sequence[Turn]) -> dict[Turn, Turn]:
    first: dict[tuple[str, tuple[int, ...], bytes], Turn] = {}
    found = {}
    for turn in turns:
        items = tuple(item.index for item in turn.items)
        found[turn] = first.setdefault((turn.member.configuration, items, turn.member.stream.state), turn)
    return found
