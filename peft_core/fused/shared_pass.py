"""One forward and backward pass of a frozen base model for the batches of many runs.

The rows of all runs go through the base's own products together, which makes few large products of many small ones.
Where a run's method has something of its own, its rows take that way (peft_core.graft); its dropout is drawn from its
own random numbers, in the shapes and the order it would be drawn in if it trained alone; and behind the base its own
head answers, so that its loss and its gradients are those of training alone, to rounding.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from itertools import groupby
from typing import Any

import torch
from torch import nn

from peft_core.dropout import draw_levels, dropout, dropout_by, scale_of_kept
from peft_core.fused.inputs import stacked, with_virtual_tokens
from peft_core.fused.layout import Block, CannotShare, Layout, Member, Turn, lay_out
from peft_core.graft import Graft
from peft_core.held_base import Copies, frozen_base_in_bf16
from peft_core.training import Loop, autocast, into_mode, to_device

MOST_GRAFTS = 256
"""How many are remembered: where lengths differ, runs pass in ever other company."""


class SharedPass:
    """The base model of a group of runs, and the passes that they share.

    `base`: the model as its task loads it; it is copied, its tensors are not.
    """

    def __init__(self, base: nn.Module, loop: Loop) -> None:
        self.loop = loop
        self._host: Any = share_tensors(base)
        self._transformer: Any = self._host.base_model
        if self._transformer is self._host:
            raise CannotShare("this base model has no transformer apart from its head")
        self._host.requires_grad_(False)
        self._wrapped: set[str] = set()
        self._grafts: dict[tuple[Member, ...], Graft] = {}
        self._layout: Layout
        self._acting: Sequence[Turn] = ()

    def base_in_bf16(self, copies: Copies) -> AbstractContextManager[None]:
        """While it lasts, the weights that all rows meet are held as autocast wants them."""
        return frozen_base_in_bf16(self._host, self.loop.method, self.loop.precision, copies)

    def backward(self, turns: Sequence[Turn]) -> list[float]:
        """The mean loss of each turn's batch, its gradients left on its own parameters. Neighbours of one configuration
        share small products too. Raises CannotShare."""
        losses = self.losses(turns)
        penalties = [turn.member.method.penalty(turn.member.model) for turn in turns]
        added = [penalty for penalty in penalties if penalty is not None]
        torch.stack([*losses, *added]).sum().backward()  # type: ignore[no-untyped-call]
        return [float(value) for value in torch.stack(losses).tolist()]

    def losses(self, turns: Sequence[Turn], *, dropout: bool = True) -> list[torch.Tensor]:
        """The mean loss of each turn's batch. Raises CannotShare."""
        into_mode(self._host, training=dropout)
        self._layout = lay_out(turns, self._graft)
        with autocast(self.loop.device, self.loop.precision), dropout_by(self._drop), _no_dropout_inside_attention():
            answer = self._answer()
            self._layout.catch_up()
            return [self._loss(answer, place) for place in range(len(turns))]

    def graft_of(self, member: Member) -> Graft:
        """What a run alone adds to a pass."""
        return self._graft((member,))

    def forget(self, member: Member) -> None:
        """A run that has ended keeps no memory."""
        self._grafts = {members: graft for members, graft in self._grafts.items() if member not in members}

    def _graft(self, members: tuple[Member, ...]) -> Graft:
        if members not in self._grafts:
            if len(self._grafts) >= MOST_GRAFTS:
                self._grafts = {}
            graft = members[0].method.fuse([member.model for member in members])
            for path in (*graft.inputs, *graft.outputs, *graft.instead):
                self._wrap(path)
            self._grafts[members] = graft
        return self._grafts[members]

    def _wrap(self, path: str) -> None:
        """Have a module of the base ask the grafts from now on."""
        if path not in self._wrapped:
            if not path.startswith(f"{self._host.base_model_prefix}."):
                raise CannotShare(f"{path} lies beside the transformer")
            module = self._host.get_submodule(path)
            module.forward = partial(self._routed, path, module.forward)
            self._wrapped.add(path)

    # -- forward -----------------------------------------------------------------------------------------------------

    def _answer(self) -> Any:
        """What the transformer says of all rows, at the positions of the text."""
        layout = self._layout
        given = to_device(stacked(layout, self.loop.pad_token_id), self.loop.device)
        with (
            self._acting_for(0, len(layout.turns)),
            _positions_taken_off(self._transformer, layout.length if layout.prompt else None),
        ):
            return self._transformer(**with_virtual_tokens(layout, given, self._transformer))

    def _routed(self, path: str, forward: Callable[..., torch.Tensor], hidden: torch.Tensor, *rest: Any) -> Any:
        """A module's answer: joint for all rows that meet the base's own weights, apart where a run has its own."""
        if len(hidden) != len(self._layout.turns) * self._layout.rows:
            raise CannotShare(f"{path} reads rows that are not those of the batch")
        pieces: list[torch.Tensor] = []
        for replaced, group in groupby(self._layout.blocks, key=lambda block: path in block.graft.instead):
            blocks = list(group)
            if replaced:
                pieces += [piece for block in blocks for piece in self._instead(path, block, hidden)]
            else:
                pieces += self._jointly(path, forward, blocks, hidden, rest)
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces)

    def _instead(self, path: str, block: Block, hidden: torch.Tensor) -> Iterator[torch.Tensor]:
        """Each run's own module on what the run would give it alone, under its own random numbers."""
        layout = self._layout
        for place, module in zip(range(block.start, block.stop), block.graft.instead[path], strict=True):
            turn, part = layout.turns[place], layout.rows_of(hidden, place, place + 1)
            read = layout.own_part(turn, part)
            with self._acting_for(place, place), turn.member.stream.in_use():
                answered = module(read)
            yield layout.filled_up(answered, read, part)

    def _jointly(
        self, path: str, forward: Callable[..., torch.Tensor], blocks: list[Block], hidden: torch.Tensor, rest: Any
    ) -> list[torch.Tensor]:
        read = self._layout.rows_of(hidden, blocks[0].start, blocks[-1].stop)
        if any(path in block.graft.inputs for block in blocks):
            read = torch.cat([self._read(path, block, hidden) for block in blocks])
        answered = forward(read, *rest)
        if not any(path in block.graft.outputs for block in blocks):
            return [answered]
        first = blocks[0].start
        return [self._answered(path, block, read, answered, first) for block in blocks]

    def _read(self, path: str, block: Block, hidden: torch.Tensor) -> torch.Tensor:
        rows = self._layout.rows_of(hidden, block.start, block.stop)
        change = block.graft.inputs.get(path)
        if change is None:
            return rows
        with self._acting_for(block.start, block.stop):
            return change(rows)

    def _answered(
        self, path: str, block: Block, read: torch.Tensor, answered: torch.Tensor, first: int
    ) -> torch.Tensor:
        start, stop = block.start - first, block.stop - first
        answer, change = self._layout.rows_of(answered, start, stop), block.graft.outputs.get(path)
        if change is None:
            return answer
        with self._acting_for(block.start, block.stop):
            return change(self._layout.rows_of(read, start, stop), answer)

    def _loss(self, answer: Any, place: int) -> torch.Tensor:
        """What a turn's own head makes of its rows, and the loss of its own batch."""
        turn, first = self._layout.turns[place], place * self._layout.rows
        fields = {"last_hidden_state": answer.last_hidden_state[first : first + turn.rows, : turn.length]}
        if getattr(answer, "pooler_output", None) is not None:
            fields["pooler_output"] = answer.pooler_output[first : first + turn.rows]
        batch, own = to_device(turn.batch, self.loop.device), turn.member.own
        with _answering(own, type(answer)(**fields)), turn.member.stream.in_use():
            return self.loop.task.loss(own, batch)

    # -- dropout -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _acting_for(self, start: int, stop: int) -> Iterator[None]:
        """Rows that come by belong to these turns; none: to one run alone, whose random numbers are in use."""
        before, self._acting = self._acting, self._layout.turns[start:stop]
        try:
            yield
        finally:
            self._acting = before

    def _drop(self, input: torch.Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> torch.Tensor:
        """Dropout, each turn's part drawn in the shape it would have alone."""
        if not (self._acting and training and p):
            return dropout(input, p, training, inplace)
        if len(input) != len(self._acting) * self._layout.rows:
            raise CannotShare("this base model drops out of what is not laid out in rows of texts")
        levels = torch.zeros(input.shape, dtype=torch.int16, device=input.device)
        drawn: dict[Turn, torch.Tensor] = {}
        for turn, part in zip(self._acting, levels.chunk(len(self._acting)), strict=True):
            own, leader = self._layout.own_parts(turn, part), self._layout.leaders.get(turn, turn)
            if leader not in drawn and len(own) == 1 and own[0].is_contiguous():
                drawn[leader] = draw_levels(own[0], leader.member.stream.generator)
                continue
            if leader not in drawn:
                alone = torch.empty([*own[0].shape[:-1], sum(view.shape[-1] for view in own)], dtype=torch.int16)
                drawn[leader] = draw_levels(alone.to(input.device), leader.member.stream.generator)
            at = 0
            for view in own:
                view.copy_(drawn[leader].narrow(-1, at, view.shape[-1]))
                at += view.shape[-1]
        return input * scale_of_kept(levels, p, input.dtype)


@contextmanager
def _no_dropout_inside_attention() -> Iterator[None]:
    """Raises CannotShare where attention would draw its dropout in one piece with all else."""
    from torch.nn import functional

    attention = functional.scaled_dot_product_attention

    def without_dropout(*args: Any, **given: Any) -> torch.Tensor:
        if given.get("dropout_p"):
            raise CannotShare("this base model's attention draws its dropout by itself")
        return attention(*args, **given)

    functional.scaled_dot_product_attention = without_dropout
    try:
        yield
    finally:
        functional.scaled_dot_product_attention = attention


class _Answer(nn.Module):
    """In the place of a transformer: what it has said already."""

    def __init__(self, said: Any) -> None:
        super().__init__()
        self._said = said

    def forward(self, *_args: Any, **_given: Any) -> Any:
        return self._said


@contextmanager
def _answering(model: Any, said: Any) -> Iterator[None]:
    """The model's transformer has said this already; its head is asked."""
    name = model.base_model_prefix
    transformer = model._modules[name]
    model._modules[name] = _Answer(said)
    try:
        yield
    finally:
        model._modules[name] = transformer


@contextmanager
def _positions_taken_off(transformer: Any, length: int | None) -> Iterator[None]:
    """The last `length` positions alone go on to where the transformer is pooled and read; None: all."""
    if length is None:
        yield
        return
    last = transformer if getattr(transformer, "pooler", None) is None else transformer.encoder

    def take_off(_module: nn.Module, _args: Any, output: Any) -> Any:
        output.last_hidden_state = output.last_hidden_state[:, -length:]
        return output

    handle = last.register_forward_hook(take_off)
    try:
        yield
    finally:
        handle.remove()


def share_tensors(model: nn.Module) -> nn.Module:
    """A copy of a model that holds the very same tensors, each in a parameter of its own."""
    memo: dict[int, Any] = {
        id(parameter): nn.Parameter(parameter.data, requires_grad=parameter.requires_grad)
        for parameter in model.parameters()
    }
    return copy.deepcopy(model, memo)
