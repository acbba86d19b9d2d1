"""One forward and backward pass of a frozen base model for the batches of many runs.

The rows of all runs go through the base's own products together, which makes few large products of many small ones.
Where a run's method has something of its own, its rows take that way (peft_core.graft); its dropout is drawn from its
own random numbers, in the shapes and the order it would be drawn in if it trained alone; and behind the base its own
head answers, so that its loss and its gradients are those of training alone, to rounding.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from peft_core.data import Item
from peft_core.errors import PeftCoreError
from peft_core.graft import Graft, unwrapped
from peft_core.method import Method
from peft_core.random_stream import RandomStream
from peft_core.task import MODEL_INPUTS, Batch
from peft_core.training import Loop, autocast, to_device


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
class _Block:
    """Neighbours of one configuration in a pass: its turns are those from `start` to `stop`."""

    graft: Graft
    start: int
    stop: int

    def of(self, turns: Sequence[Turn]) -> Sequence[Turn]:
        return turns[self.start : self.stop]


@dataclass
class _Layout:
    """How the rows of one pass lie: each turn has `rows` of `length` positions, behind `prompt` positions for virtual
    tokens, and attention reads `prefix` more in front of all. What is a turn's own stands at the right of such room."""

    turns: list[Turn]
    blocks: list[_Block]
    rows: int
    length: int
    prompt: int
    prefix: int
    leaders: dict[Turn, Turn] = field(default_factory=dict)
    """Turn -> the turn that draws for it in the base: one of its own configuration with the same batch and random
    state. A turn that is not here draws for itself."""

    def graft(self, turn: Turn) -> Graft:
        place = self.turns.index(turn)
        return next(block.graft for block in self.blocks if block.start <= place < block.stop)

    @property
    def uneven(self) -> bool:
        """Whether some rows have more virtual tokens than others."""
        grafts = [block.graft for block in self.blocks]
        return any((graft.prompt_length, graft.prefix_length) != (self.prompt, self.prefix) for graft in grafts)


class SharedPass:
    """The base model of a group of runs, and the passes that they share.

    `base`: the model as its task loads it; it is copied, its tensors are not.
    """

    def __init__(self, base: nn.Module, loop: Loop) -> None:
        self._loop = loop
        self._host: Any = share_tensors(base)
        self._prefix = f"{self._host.base_model_prefix}."
        self._transformer: Any = self._host.base_model
        if self._transformer is self._host:
            raise CannotShare("this base model has no transformer apart from its head")
        self._host.requires_grad_(False).train()
        self._wrapped: set[str] = set()
        self._grafts: dict[tuple[Member, ...], Graft] = {}
        self._layout: _Layout
        self._acting: Sequence[Turn] = ()

    @property
    def base(self) -> nn.Module:
        """The copy whose frozen weights all rows meet."""
        host: nn.Module = self._host
        return host

    def backward(self, turns: Sequence[Turn]) -> list[float]:
        """The mean loss of each turn's batch, its gradients left on its own parameters. Neighbours of one configuration
        share small products too. Raises CannotShare."""
        losses = self.losses(turns)
        penalties = [turn.member.method.penalty(turn.member.model) for turn in turns]
        torch.stack([*losses, *(penalty for penalty in penalties if penalty is not None)]).sum().backward()  # type: ignore[no-untyped-call]
        return [float(value) for value in torch.stack(losses).tolist()]

    def losses(self, turns: Sequence[Turn]) -> list[torch.Tensor]:
        """The mean loss of each turn's batch. Raises CannotShare."""
        self._layout = layout = self._lay_out(turns)
        with autocast(self._loop.device, self._loop.precision), _OwnDropout(self._drop):
            answer = self._answer(layout)
            _catch_up(layout)
            return [self._loss(answer, place) for place in range(len(turns))]

    # -- how rows lie ------------------------------------------------------------------------------------------------

    def _lay_out(self, turns: Sequence[Turn]) -> _Layout:
        blocks: list[_Block] = []
        for _, group in groupby(turns, key=lambda turn: turn.member.configuration):
            neighbours = tuple(turn.member for turn in group)
            start = blocks[-1].stop if blocks else 0
            blocks.append(_Block(self._graft(neighbours), start, start + len(neighbours)))
        return _Layout(
            turns=list(turns),
            blocks=blocks,
            rows=max(turn.rows for turn in turns),
            length=max(turn.length for turn in turns),
            prompt=max(block.graft.prompt_length for block in blocks),
            prefix=max(block.graft.prefix_length for block in blocks),
            leaders=_leaders(
                [turn for block in blocks if not block.graft.instead for turn in turns[block.start : block.stop]]
            ),
        )

    def graft_of(self, member: Member) -> Graft:
        """What a run alone adds to a pass."""
        return self._graft((member,))

    def _graft(self, members: tuple[Member, ...]) -> Graft:
        if members not in self._grafts:
            graft = members[0].method.fuse([member.model for member in members])
            for path in (*graft.inputs, *graft.outputs, *graft.instead):
                self._wrap(path)
            self._grafts[members] = graft
        return self._grafts[members]

    def _wrap(self, path: str) -> None:
        """Have a module of the base ask the grafts from now on."""
        if path not in self._wrapped:
            if not path.startswith(self._prefix):
                raise CannotShare(f"{path} lies beside the transformer")
            module = self._host.get_submodule(path)
            module.forward = partial(self._routed, path, module.forward)
            self._wrapped.add(path)

    # -- forward -----------------------------------------------------------------------------------------------------

    def _answer(self, layout: _Layout) -> Any:
        """What the transformer says of all rows, at the positions of the text."""
        given = to_device(_stacked(layout, self._loop.pad_token_id), self._loop.device)
        self._acting = layout.turns
        given |= self._virtual_tokens(layout, given)
        with _positions_taken_off(self._transformer, layout.length if layout.prompt else None):
            return self._transformer(**given)

    def _virtual_tokens(self, layout: _Layout, given: Batch) -> dict[str, Any]:
        """Prompts, prefixes and what goes with them, in place of what was given."""
        added: dict[str, Any] = {}
        front = layout.prompt + layout.prefix
        if not front:
            return added
        own_front = _front_mask(layout, self._loop.device)
        added["attention_mask"] = torch.cat([own_front, given["attention_mask"]], dim=1)
        if layout.uneven:
            added["position_ids"] = self._positions(layout, own_front)
        if layout.prompt:
            tokens = given.pop("input_ids")
            embedded = self._transformer.get_input_embeddings()(tokens)
            added["inputs_embeds"] = torch.cat([_prompts(layout, embedded), embedded], dim=1)
            if "token_type_ids" in given:
                segments = given["token_type_ids"]
                added["token_type_ids"] = torch.cat([segments.new_zeros(len(segments), layout.prompt), segments], dim=1)
        if layout.prefix:
            added["past_key_values"] = _prefixes(layout)
        return added

    def _positions(self, layout: _Layout, front: torch.Tensor) -> torch.Tensor:
        """Each row counts from its own first virtual token, (rows, prompt + length)."""
        counted = torch.arange(-layout.prompt, layout.length, device=front.device)
        own = front.sum(dim=1, keepdim=True)
        return (counted + own).clamp(min=0) + _first_position(self._transformer)

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

    def _instead(self, path: str, block: _Block, hidden: torch.Tensor) -> Iterator[torch.Tensor]:
        """Each run's own module on what the run would give it alone, under its own random numbers, filled up again."""
        for place, module in zip(range(block.start, block.stop), block.graft.instead[path], strict=True):
            turn, part = self._layout.turns[place], self._rows_of(hidden, place, place + 1)
            read = self._own_part(turn, part)
            with self._acting_for(place, place), turn.member.stream.in_use():
                answered = module(read)
            yield self._filled_up(answered, read, part)

    def _filled_up(self, answered: torch.Tensor, read: torch.Tensor, part: torch.Tensor) -> torch.Tensor:
        """A run's own rows and positions with what stands around them in the pass, which nothing reads."""
        rows = [0, len(part) - len(read)]
        if answered.ndim < 3 or read.shape[1] == part.shape[1]:
            return nn.functional.pad(answered, [0, 0] * (answered.ndim - 1) + rows) if rows[1] else answered
        front = (read.storage_offset() - part.storage_offset()) // part.stride(1)
        positions = [front, part.shape[1] - read.shape[1] - front]
        return nn.functional.pad(answered, [0, 0] * (answered.ndim - 2) + positions + rows)

    def _jointly(
        self, path: str, forward: Callable[..., torch.Tensor], blocks: list[_Block], hidden: torch.Tensor, rest: Any
    ) -> list[torch.Tensor]:
        read = self._rows_of(hidden, blocks[0].start, blocks[-1].stop)
        if any(path in block.graft.inputs for block in blocks):
            read = torch.cat([self._read(path, block, hidden) for block in blocks])
        answered = forward(read, *rest)
        if not any(path in block.graft.outputs for block in blocks):
            return [answered]
        first = blocks[0].start
        return [self._answered(path, block, read, answered, first) for block in blocks]

    def _read(self, path: str, block: _Block, hidden: torch.Tensor) -> torch.Tensor:
        rows = self._rows_of(hidden, block.start, block.stop)
        change = block.graft.inputs.get(path)
        if change is None:
            return rows
        with self._acting_for(block.start, block.stop):
            return change(rows)

    def _answered(
        self, path: str, block: _Block, read: torch.Tensor, answered: torch.Tensor, first: int
    ) -> torch.Tensor:
        start, stop = block.start - first, block.stop - first
        answer, change = self._rows_of(answered, start, stop), block.graft.outputs.get(path)
        if change is None:
            return answer
        with self._acting_for(block.start, block.stop):
            return change(self._rows_of(read, start, stop), answer)

    def _rows_of(self, tensor: torch.Tensor, start: int, stop: int) -> torch.Tensor:
        return tensor[start * self._layout.rows : stop * self._layout.rows]

    def _loss(self, answer: Any, place: int) -> torch.Tensor:
        """What a turn's own head makes of its rows, and the loss of its own batch."""
        turn, layout = self._layout.turns[place], self._layout
        first, task = place * layout.rows, self._loop.task
        fields = {"last_hidden_state": answer.last_hidden_state[first : first + turn.rows, : turn.length]}
        if getattr(answer, "pooler_output", None) is not None:
            fields["pooler_output"] = answer.pooler_output[first : first + turn.rows]
        batch = to_device(turn.batch, self._loop.device)
        with self._acting_for(place, place + 1), _answering(turn.member.own, type(answer)(**fields)):
            return task.loss(turn.member.own, batch)

    # -- dropout -----------------------------------------------------------------------------------------------------

    @contextmanager
    def _acting_for(self, start: int, stop: int) -> Iterator[None]:
        """Rows that come by belong to these turns."""
        before, self._acting = self._acting, self._layout.turns[start:stop]
        try:
            yield
        finally:
            self._acting = before

    def _drop(
        self,
        function: Callable[..., torch.Tensor],
        hidden: torch.Tensor,
        p: float = 0.5,
        training: bool = True,
        inplace: bool = False,
    ) -> torch.Tensor:
        """torch's dropout, each turn's part drawn in the shape it would have alone."""
        if not (self._acting and training and p):
            return function(hidden, p, training, inplace)
        whole = torch.zeros_like(hidden)
        drawn: dict[Turn, torch.Tensor] = {}
        for turn, part in zip(self._acting, whole.chunk(len(self._acting)), strict=True):
            own = self._own_part(turn, part)
            leader = self._layout.leaders.get(turn, turn)
            if leader in drawn:
                own.copy_(drawn[leader])
                continue
            mask = own if own.is_contiguous() else torch.empty(own.shape, dtype=own.dtype, device=own.device)
            mask.bernoulli_(1 - p, generator=leader.member.stream.generator)
            drawn[leader] = mask
            if mask is not own:
                own.copy_(mask)
        return hidden * whole.div_(1 - p)

    def _own_part(self, turn: Turn, part: torch.Tensor) -> torch.Tensor:
        """What of a turn's part of a tensor there would be if it trained alone."""
        layout, graft = self._layout, self._layout.graft(turn)
        # Answers of a head come without the rows that fill a short batch up.
        own = part[: turn.rows]
        unused = layout.prompt - graft.prompt_length
        queries = slice(unused, layout.prompt + turn.length)
        if part.ndim == 4:
            if graft.prefix_length and unused:
                raise CannotShare("runs with a prefix stand beside runs with a longer prompt")
            keys = slice(layout.prefix - graft.prefix_length + unused, layout.prefix + layout.prompt + turn.length)
            if part.shape[2:] != (layout.prompt + layout.length, layout.prefix + layout.prompt + layout.length):
                raise CannotShare("attention of this base model is not (rows, heads, queries, keys)")
            return own[:, :, queries, keys]
        if part.ndim == 3 and part.shape[1] == layout.prompt + layout.length:
            return own[:, queries]
        if part.ndim == 3 and part.shape[1] == turn.length and len(self._acting) == 1:
            return own
        if part.ndim == 2:
            return own
        raise CannotShare(f"dropout on a tensor of the shape {tuple(part.shape)}")


class _OwnDropout(TorchFunctionMode):
    """Dropout is drawn by `drop` in here, wherever in a model it is called."""

    def __init__(self, drop: Callable[..., torch.Tensor]) -> None:
        super().__init__()
        self._drop = drop

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if func is torch.nn.functional.dropout:
            return self._drop(func, *args, **given)
        if func is torch.nn.functional.scaled_dot_product_attention and given.get("dropout_p"):
            raise CannotShare("this base model's attention draws its dropout by itself")
        return func(*args, **given)


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


def _leaders(turns: Sequence[Turn]) -> dict[Turn, Turn]:
    first: dict[tuple[str, tuple[int, ...], bytes], Turn] = {}
    found = {}
    for turn in turns:
        items = tuple(item.index for item in turn.items)
        found[turn] = first.setdefault((turn.member.configuration, items, turn.member.stream.state), turn)
    return found


def _catch_up(layout: _Layout) -> None:
    """Random numbers stand where they would if every turn had drawn for itself, as it does from here on."""
    for turn, leader in layout.leaders.items():
        if turn is not leader:
            turn.member.stream.state = leader.member.stream.state
    layout.leaders = {}


def _stacked(layout: _Layout, pad_token_id: int) -> Batch:
    """The inputs of all turns, one under the other: short texts padded, and short batches filled up with their first
    row again, which no loss reads."""
    fill = {"input_ids": pad_token_id, "attention_mask": 0, "token_type_ids": 0}
    stacked: dict[str, list[torch.Tensor]] = {}
    for turn in layout.turns:
        for name, tensor in turn.inputs.items():
            wide = nn.functional.pad(tensor, (0, layout.length - turn.length), value=fill[name])
            short = layout.rows - turn.rows
            stacked.setdefault(name, []).append(torch.cat([wide, wide[:1].expand(short, -1)]) if short else wide)
    return {name: torch.cat(tensors) for name, tensors in stacked.items()}


def _front_mask(layout: _Layout, device: torch.device) -> torch.Tensor:
    """1 where a row has a virtual token of its own, (rows, prefix + prompt)."""
    masks = []
    for block in layout.blocks:
        graft = block.graft
        prefix = [0] * (layout.prefix - graft.prefix_length) + [1] * graft.prefix_length
        prompt = [0] * (layout.prompt - graft.prompt_length) + [1] * graft.prompt_length
        row = torch.tensor(prefix + prompt, device=device)
        masks.append(row.expand((block.stop - block.start) * layout.rows, -1))
    return torch.cat(masks)


def _prompts(layout: _Layout, embedded: torch.Tensor) -> torch.Tensor:
    """The virtual tokens of every row, (rows, prompt, width), zeros where it has fewer."""
    pieces = []
    for block in layout.blocks:
        runs, graft = block.stop - block.start, block.graft
        prompt = embedded.new_zeros(runs, 0, embedded.shape[-1]) if graft.prompts is None else graft.prompts()
        prompt = nn.functional.pad(prompt.to(embedded.dtype), (0, 0, layout.prompt - prompt.shape[1], 0))
        pieces.append(prompt.repeat_interleave(layout.rows, dim=0))
    return torch.cat(pieces)


def _prefixes(layout: _Layout) -> Any:
    """The keys and values in front of every row's own, as the base's attention reads them."""
    from transformers import DynamicCache

    of_blocks = [block.graft.prefixes() if block.graft.prefixes else None for block in layout.blocks]
    sample = next(found[0] for found in of_blocks if found is not None)
    cache = DynamicCache()
    for layer in range(len(sample)):
        keys, values = (_prefix_of_layer(layout, of_blocks, sample, layer, kind) for kind in (0, 1))
        cache.update(keys, values, layer)
    return cache


def _prefix_of_layer(layout: _Layout, of_blocks: list[Any], sample: Any, layer: int, kind: int) -> torch.Tensor:
    pieces = []
    for block, found in zip(layout.blocks, of_blocks, strict=True):
        if found is None:
            _, heads, _, width = sample[layer][kind].shape
            rows = (block.stop - block.start) * layout.rows
            pieces.append(sample[layer][kind].new_zeros(rows, heads, layout.prefix, width))
            continue
        own = torch.cat([of_run[layer][kind] for of_run in found])
        own = nn.functional.pad(own, (0, 0, layout.prefix - own.shape[2], 0))
        pieces.append(own.repeat_interleave(layout.rows, dim=0))
    return torch.cat(pieces)


def _first_position(transformer: Any) -> int:
    """What a base counts its positions from: RoBERTa and its like leave the first ones to padding."""
    tables = (module for path, module in transformer.named_modules() if path.endswith("position_embeddings"))
    padding = getattr(next(tables, None), "padding_idx", None)
    return 0 if padding is None else padding + 1
