"""Runs of one study that train together: their batches pass the frozen base model as one.

Each run keeps its own model, optimizer, learning rate, clipping, random numbers, validations, early stopping and
checkpoints: all that a run is, but for the pass itself (shared_pass). So a run that is stopped, paused or broken leaves
the others as they are, and one that began together goes on alone from its checkpoint, or the other way round. The time
of a shared step belongs to no run: what a method costs is measured by probes, which run alone.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import torch
from torch import nn

from peft_core.data import Item
from peft_core.dropout import quick_dropout
from peft_core.fit import Fit
from peft_core.fused.choice import MOST_ROWS, fusable
from peft_core.fused.layout import CannotShare, Member, Turn
from peft_core.fused.passes import arranged
from peft_core.fused.random_stream import RandomStream
from peft_core.fused.shared_pass import SharedPass, share_tensors
from peft_core.head import is_head
from peft_core.held_base import Copies, frozen_base_in_bf16
from peft_core.hub import on_this_machine
from peft_core.hub_access import Hub
from peft_core.method import Method
from peft_core.out_of_memory import is_out_of_memory
from peft_core.run import Inputs, Prepared, conclude, hush_libraries, memory_explained, prepare, read_inputs, train
from peft_core.run_state import load_base
from peft_core.spec import Log, OnEvent, Pause, RunResult, RunSpec
from peft_core.task import Task
from peft_core.training import autocast, into_mode, to_device

CLOSE_ENOUGH = {"fp32": 1e-4, "bf16": 5e-2}
"""How far a run's loss in a shared pass may be off the one it has alone, absolute or relative."""
GRADIENTS_CLOSE_ENOUGH = {"fp32": 1e-3, "bf16": 5e-2}
"""How far its gradients may be off, as a share of their norm."""
Gradient = torch.Tensor | None
"""Of one parameter; None is zero."""
TRIED_OF_EACH = 2
"""Runs of one configuration that are tried before training: they share small products, too."""
SIGN_OF_LIFE_SECONDS = 240.0
"""A run that waits for the others says so this often: one that is silent for ten minutes passes for stalled."""


@dataclass(frozen=True)
class Seat:
    """One run of a group: what it does, whom it tells, and when it should stop for now."""

    spec: RunSpec
    on_event: OnEvent
    pause: Pause
    """Asked after every step, for this run alone."""


OnEnd = Callable[[Seat, RunResult | Exception], None]


def run_together(seats: Sequence[Seat], on_end: OnEnd, hub: Hub | None = None) -> None:
    """Do the runs of one study, sharing passes where they can; where one cannot, its log says why and it trains alone.

    `on_end` is called once for every seat, as soon as its run has ended: with its result, or with what ended it
    (RunPaused, a PeftCoreError, anything that broke). One run's end never touches the others.
    """
    hush_libraries()
    group = Group(on_end, hub or Hub())
    for seat in seats:
        group.prepare(seat)
    group.check()
    group.train()


@dataclass(frozen=True, eq=False)
class _Running:
    """A seat whose run is ready or at work."""

    seat: Seat
    prepared: Prepared
    fit: Fit
    member: Member
    held: ExitStack = field(default_factory=ExitStack)
    """What holds the base that its own model reads, for validations, in bf16."""

    def hold_base_in_bf16(self, copies: Copies) -> None:
        loop = self.prepared.state.loop
        self.held.enter_context(frozen_base_in_bf16(self.member.model, loop.method, loop.precision, copies))

    def turn(self, items: Sequence[Item]) -> Turn:
        loop = self.prepared.state.loop
        return Turn(self.member, items, loop.task.collate(items, loop.pad_token_id))

    def trial(self, place: int) -> Turn:
        """A turn to look at, not to learn from: on the longest training items, or, at every other place, on the
        shortest, and one fewer."""
        items = sorted(self.prepared.state.train_items, key=lambda item: -len(item.tokens))
        size = self.seat.spec.budget.batch_size
        return self.turn(items[:size] if place % 2 == 0 else items[-max(1, size - 1) :])

    @property
    def gradients(self) -> list[Gradient]:
        """Of everything the run trains, in one order."""
        return [parameter.grad for parameter in self.member.model.parameters() if parameter.requires_grad]

    def begin_step(self, dropout: bool = True) -> None:
        with self.member.stream.in_use():
            self.fit.training.begin_step()
        into_mode(self.member.model, training=dropout)

    def end_step(self, loss: float, items: Sequence[Item]) -> None:
        with self.member.stream.in_use():
            self.fit.took(self.fit.training.end_step(loss, items))

    def learned_alone(self, turn: Turn, *, dropout: bool) -> tuple[float, list[Gradient]]:
        """What the run's own model makes of a turn: its loss, and the gradients, which it does not keep."""
        loop = self.prepared.state.loop
        self.begin_step(dropout)
        with self.member.stream.in_use(), autocast(loop.device, loop.precision), quick_dropout(loop.device):
            loss = loop.task.loss(self.member.model, to_device(turn.batch, loop.device))
            loss.backward()  # type: ignore[no-untyped-call]
        found = self.gradients
        self.member.model.zero_grad(set_to_none=True)
        return loss.item(), found


class Group:
    """The runs of a group, from their preparation to their ends."""

    def __init__(self, on_end: OnEnd, hub: Hub) -> None:
        self._on_end, self._hub = on_end, hub
        self._inputs: Inputs | None = None
        self._bases: dict[int, nn.Module] = {}
        self._together: dict[Member, _Running] = {}
        self._alone: list[Seat] = []
        self._waiters_told_at = time.monotonic()
        self._shared: SharedPass
        self._most_rows = MOST_ROWS

    # -- before training ---------------------------------------------------------------------------------------------

    def prepare(self, seat: Seat) -> None:
        """Attach a run's method to a base that it shares, and put it where its checkpoint left it."""
        with self._boundary(seat):
            if not fusable(seat.spec):
                self._leave(seat, "its method, budget or purpose does not share passes")
                return
            if self._inputs is None:
                self._inputs = read_inputs(on_this_machine(seat.spec, self._hub, seat.on_event))
            try:
                prepared = prepare(seat.spec, seat.on_event, self._hub, self._inputs, self._base_for)
                running = self._seated(seat, prepared)
            except CannotShare as error:
                self._leave(seat, _in_short(error))
            else:
                self._together[running.member] = running

    def _base_for(self, spec: RunSpec, task: type[Task], method: Method, device: torch.device) -> nn.Module:
        """The base with the head that this seed gives it; its frozen tensors are there once for all runs."""
        if spec.seed not in self._bases:
            # Beside one that is there already, the next is never whole on the device.
            base = load_base(spec, task, method, torch.device("cpu") if self._bases else device)
            for first in list(self._bases.values())[:1]:
                _take_tensors(base, first)
            self._bases[spec.seed] = base.to(device)
        return share_tensors(self._bases[spec.seed])

    def _seated(self, seat: Seat, prepared: Prepared) -> _Running:
        state, plan = prepared.state, prepared.plan
        assert plan is not None, "what trains nothing is not fusable"
        base = self._bases[seat.spec.seed]
        _keep_apart(state.model, base)
        if not self._together:
            self._shared = SharedPass(base, state.loop)
        fit = Fit(state, plan, seat.on_event, seat.pause)
        configuration = f"{seat.spec.method} {state.loop.method.model_dump_json()}"
        # Only now: a checkpoint says where the random numbers stand.
        stream = RandomStream(state.loop.device)
        return _Running(seat, prepared, fit, Member(state.loop.method, state.model, stream, configuration))

    def check(self) -> None:
        """Configurations that have no way to share, or do not learn the same together as alone, train alone."""
        if not self._together:
            return
        of_each: dict[str, list[_Running]] = {}
        for member, running in self._together.items():
            of_each.setdefault(member.configuration, []).append(running)
        misfits = {name: why for name, (first, *_) in of_each.items() if (why := self._lack_of_graft(first.member))}
        fit = [running for name, runs in of_each.items() if name not in misfits for running in runs[:TRIED_OF_EACH]]
        turns = [running.trial(place) for place, running in enumerate(fit)]
        # Whatever their lengths: padding is part of what is tried.
        for together in list(arranged(turns, self._shared.graft_of, self._most_rows, most_padding=1.0)):
            misfits |= self._misfits(together)
        for member, running in list(self._together.items()):
            if member.configuration in misfits:
                self._leave(running.seat, misfits[member.configuration])

    def _lack_of_graft(self, member: Member) -> str | None:
        """What keeps a method out of every pass; None where it can take part."""
        try:
            self._shared.graft_of(member)
        except Exception as error:
            # As in a pass: alone it trains as ever.
            return _in_short(error)
        return None

    def _misfits(self, turns: Sequence[Turn]) -> dict[str, str]:
        """Configuration -> what keeps it from sharing passes, of those that have a turn here."""
        before = {turn.member: turn.member.stream.state for turn in turns}
        crowded = False
        try:
            why = self._difference(turns, before)
        except Exception as error:
            # Whatever a base model or a method does that sharing does not know: alone it trains as ever.
            why, crowded = _in_short(error), is_out_of_memory(error) and len(turns) > 1
        _put_back(before)
        _clear_gradients(turns)
        names = {turn.member.configuration for turn in turns}
        if why is None or len(turns) == 1:
            return dict.fromkeys(names, why) if why else {}
        half = len(turns) // 2
        found = self._misfits(turns[:half]) | self._misfits(turns[half:])
        return found if found or crowded else dict.fromkeys(names, why)

    def _difference(self, turns: Sequence[Turn], before: dict[Member, bytes]) -> str | None:
        """How loss or gradients of these turns differ between a shared pass and their own ones; None where they do
        not."""
        runs = [self._together[turn.member] for turn in turns]
        alone = [run.learned_alone(turn, dropout=self._same_dropout) for run, turn in zip(runs, turns, strict=True)]
        _put_back(before)
        for run in runs:
            run.begin_step(self._same_dropout)
        losses = self._shared.losses(turns, dropout=self._same_dropout)
        torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
        close = CLOSE_ENOUGH[self._shared.loop.precision]
        for run, (loss, gradients), shared in zip(runs, alone, losses, strict=True):
            if not abs(loss - shared.item()) <= close * max(1.0, abs(loss)):
                return f"a loss would be {shared.item():.6g} together and is {loss:.6g} alone"
            apart = _distance(run.gradients, gradients)
            if not apart <= GRADIENTS_CLOSE_ENOUGH[self._shared.loop.precision]:
                return f"its gradients would be {100 * apart:.2g} % off together"
        return None

    @property
    def _same_dropout(self) -> bool:
        """CUDA's own kernel draws other masks from the same random numbers: there losses are compared without."""
        return self._shared.loop.device.type == "cpu"

    # -- training ----------------------------------------------------------------------------------------------------

    def train(self) -> None:
        """Step after step until every run has ended."""
        others = len(self._together) - 1
        for running in self._together.values():
            state = running.prepared.state
            state.trained_together = max(state.trained_together, 1 + others)
            if others:
                running.seat.on_event(Log(message=f"trains together with {others} more of its study"))
        if self._together:
            copies: Copies = {}
            with self._shared.base_in_bf16(copies):
                for running in self._together.values():
                    running.hold_base_in_bf16(copies)
                while self._together:
                    self._step()
                    self._tell_waiters()
        self._bases = {}
        while self._alone:
            seat = self._alone.pop(0)
            with self._boundary(seat):
                self._train_alone(seat)

    def _step(self) -> None:
        """One step of every run, in as few passes as go well."""
        turns = []
        for running in list(self._together.values()):
            items = running.fit.next_batch()
            if items is None:
                self._conclude(running)
                continue
            with self._boundary(running.seat):
                running.begin_step()
                turns.append(running.turn(items))
        for together in self._arranged(turns):
            self._pass(together)

    def _pass(self, turns: Sequence[Turn]) -> None:
        """One pass; in halves where memory does not take it whole."""
        before = {turn.member: turn.member.stream.state for turn in turns}
        try:
            losses = self._shared.backward(turns)
        except Exception as error:
            # The runs of this pass are broken off together, and each has a way on: a smaller pass, or alone.
            why, crowded = _in_short(error), is_out_of_memory(error)
        else:
            for turn, loss in zip(turns, losses, strict=True):
                running = self._together[turn.member]
                with self._boundary(running.seat):
                    running.end_step(loss, turn.items)
            return
        # Not before here is the error gone, and with it what the pass held.
        _put_back(before)
        _clear_gradients(turns)
        if crowded and len(turns) > 1:
            self._in_halves(turns)
        else:
            self._all_leave(turns, why)

    def _in_halves(self, turns: Sequence[Turn]) -> None:
        half = len(turns) // 2
        self._most_rows = sum(turn.rows for turn in turns[:half])
        self._pass(turns[:half])
        self._pass(turns[half:])

    def _arranged(self, turns: Sequence[Turn]) -> Iterator[list[Turn]]:
        return arranged(turns, self._shared.graft_of, self._most_rows)

    # -- ends --------------------------------------------------------------------------------------------------------

    def _conclude(self, running: _Running) -> None:
        self._forget(running)
        with self._boundary(running.seat), running.member.stream.in_use():
            with running.held:
                score = running.fit.conclude()
            self._on_end(running.seat, conclude(running.prepared, score, running.seat.on_event))

    def _train_alone(self, seat: Seat) -> None:
        def pause() -> bool:
            self._tell_waiters()
            return seat.pause()

        prepared = prepare(seat.spec, seat.on_event, self._hub, self._inputs)
        score = train(prepared, seat.on_event, pause)
        self._on_end(seat, conclude(prepared, score, seat.on_event))

    def _all_leave(self, turns: Sequence[Turn], why: str) -> None:
        for turn in turns:
            self._leave(self._together[turn.member].seat, why)

    def _leave(self, seat: Seat, why: str) -> None:
        """This run trains alone when the others have ended, from where its checkpoint left it."""
        seat.on_event(Log(message=f"trains alone: {why}"))
        self._drop(seat)
        self._alone.append(seat)

    def _tell_waiters(self) -> None:
        if time.monotonic() - self._waiters_told_at < SIGN_OF_LIFE_SECONDS:
            return
        self._waiters_told_at = time.monotonic()
        training = len(self._together) or 1
        for seat in self._alone:
            seat.on_event(Log(message=f"waits to train alone: {training} of its group still train"))

    def _drop(self, seat: Seat) -> None:
        for running in [running for running in self._together.values() if running.seat is seat]:
            running.held.close()
            self._forget(running)

    def _forget(self, running: _Running) -> None:
        """It takes no more steps with the others."""
        del self._together[running.member]
        self._shared.forget(running.member)

    @contextmanager
    def _boundary(self, seat: Seat) -> Iterator[None]:
        """Whatever breaks in here ends this run and no other."""
        try:
            with memory_explained(seat.spec):
                yield
        except Exception as error:
            self._drop(seat)
            self._on_end(seat, error)


def _clear_gradients(turns: Sequence[Turn]) -> None:
    for turn in turns:
        turn.member.model.zero_grad(set_to_none=True)


def _distance(found: Sequence[Gradient], expected: Sequence[Gradient]) -> float:
    """The norm of the difference of two gradients, as a share of that of the second."""
    off = sum(_squared(_minus(one, other)) for one, other in zip(found, expected, strict=True))
    norm = sum(map(_squared, expected))
    return math.sqrt(off / norm) if norm else math.sqrt(off)


def _minus(one: Gradient, other: Gradient) -> Gradient:
    return one if other is None else -other if one is None else one - other


def _squared(gradient: Gradient) -> float:
    return 0.0 if gradient is None else float(gradient.float().square().sum())


def _put_back(states: dict[Member, bytes]) -> None:
    for member, state in states.items():
        member.stream.state = state


def _in_short(error: Exception) -> str:
    said = str(error).strip().splitlines()
    return said[0] if isinstance(error, CannotShare) else f"{type(error).__name__}: {said[0] if said else ''}"


def _take_tensors(model: nn.Module, other: nn.Module) -> None:
    """Hold the tensors of another model of the same files in place of one's own; the heads' stay apart. Raises
    CannotShare where a tensor outside of the head is not the same in both."""
    there = dict(other.named_parameters())
    for name, parameter in model.named_parameters():
        if is_head(name):
            continue
        if not torch.equal(parameter, there[name].to(parameter.device)):
            raise CannotShare(f"{name} is not in the base model's files, and each seed draws its own")
        parameter.data = there[name].data


def _keep_apart(model: nn.Module, base: nn.Module) -> None:
    """What a run trains is its own, also where it came with the base (its head, BitFit's biases)."""
    shared = {parameter.data_ptr() for parameter in base.parameters()}
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.data_ptr() in shared:
            parameter.data = parameter.data.clone()
