"""Runs of one study that train together: their batches pass the frozen base model as one.

Each run keeps its own model, optimizer, learning rate, clipping, random numbers, validations, early stopping and
checkpoints: all that a run is, but for the pass itself (shared_pass). So a run that is stopped, paused or broken leaves
the others as they are, and one that began together goes on alone from its checkpoint, or the other way round. The time
of a shared step belongs to no run: what a method costs is measured by probes, which run alone.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

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
"""How far a run's first loss in a shared pass may be off the one it has alone, absolute or relative."""
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

    def turn(self, items: Sequence[Item]) -> Turn:
        loop = self.prepared.state.loop
        return Turn(self.member, items, loop.task.collate(items, loop.pad_token_id))

    @property
    def first_turn(self) -> Turn:
        """On the first training items, in no run's order: to look at, not to learn from."""
        return self.turn(self.prepared.state.train_items[: self.seat.spec.budget.batch_size])

    def begin_step(self, dropout: bool = True) -> None:
        with self.member.stream.in_use():
            self.fit.training.begin_step()
        into_mode(self.member.model, training=dropout)

    def end_step(self, loss: float, items: Sequence[Item]) -> None:
        with self.member.stream.in_use():
            self.fit.took(self.fit.training.end_step(loss, items))

    def loss_alone(self, turn: Turn, dropout: bool) -> float:
        """What the run's own model makes of a turn."""
        loop = self.prepared.state.loop
        self.begin_step(dropout)
        with self.member.stream.in_use(), autocast(loop.device, loop.precision), quick_dropout(loop.device):
            return float(loop.task.loss(self.member.model, to_device(turn.batch, loop.device)).item())


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
            running = self._seated(seat, prepare(seat.spec, seat.on_event, self._hub, self._inputs, self._base_for))
            self._together[running.member] = running

    def _base_for(self, spec: RunSpec, task: type[Task], method: Method, device: torch.device) -> nn.Module:
        """The base with the head that this seed gives it; its frozen tensors are there once for all runs."""
        if spec.seed not in self._bases:
            base = load_base(spec, task, method, device)
            for first in list(self._bases.values())[:1]:
                _take_tensors(base, first)
            self._bases[spec.seed] = base
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
        """Configurations whose loss is not the same together as alone train alone."""
        firsts = {member.configuration: running for member, running in reversed(self._together.items())}
        unfit: dict[str, str] = {}
        for together in list(self._arranged([running.first_turn for running in firsts.values()])):
            if beside := self._difference(together):
                by_itself = {turn.member.configuration: self._difference([turn]) for turn in together}
                found = {name: why for name, why in by_itself.items() if why}
                unfit |= found or dict.fromkeys(by_itself, beside)
        for member, running in list(self._together.items()):
            if member.configuration in unfit:
                self._leave(running.seat, unfit[member.configuration])

    def _difference(self, turns: Sequence[Turn]) -> str | None:
        """What keeps these turns from sharing a pass; None where each has the loss that it has alone."""
        before = {turn.member: turn.member.stream.state for turn in turns}
        runs = [self._together[turn.member] for turn in turns]
        with torch.no_grad():
            alone = [running.loss_alone(turn, self._same_dropout) for running, turn in zip(runs, turns, strict=True)]
            _put_back(before)
            for running in runs:
                running.begin_step(self._same_dropout)
            try:
                together = [loss.item() for loss in self._shared.losses(turns, dropout=self._same_dropout)]
            except Exception as error:
                # Whatever a base model or a method does that sharing does not know: alone it trains as ever.
                return _in_short(error)
            finally:
                _put_back(before)
        for own, shared in zip(alone, together, strict=True):
            if abs(own - shared) > CLOSE_ENOUGH[self._shared.loop.precision] * max(1.0, abs(own)):
                return f"a loss would be {shared:.6g} together and is {own:.6g} alone"
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
            running.prepared.environment["trained_together"] = 1 + others
            if others:
                running.seat.on_event(Log(message=f"trains together with {others} more of its study"))
        if self._together:
            with self._shared.base_in_bf16():
                while self._together:
                    self._step()
                    self._tell_waiters()
        self._bases = {}
        for seat in self._alone:
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
            _put_back(before)
            for turn in turns:
                turn.member.model.zero_grad(set_to_none=True)
            if is_out_of_memory(error) and len(turns) > 1:
                self._in_halves(turns)
            else:
                self._all_leave(turns, _in_short(error))
            return
        for turn, loss in zip(turns, losses, strict=True):
            running = self._together[turn.member]
            with self._boundary(running.seat):
                running.end_step(loss, turn.items)

    def _in_halves(self, turns: Sequence[Turn]) -> None:
        half = len(turns) // 2
        self._most_rows = sum(turn.rows for turn in turns[:half])
        self._pass(turns[:half])
        self._pass(turns[half:])

    def _arranged(self, turns: Sequence[Turn]) -> Iterator[list[Turn]]:
        return arranged(turns, self._shared.graft_of, self._most_rows)

    # -- ends --------------------------------------------------------------------------------------------------------

    def _conclude(self, running: _Running) -> None:
        self._drop(running.seat)
        with self._boundary(running.seat), running.member.stream.in_use():
            score = running.fit.conclude()
            self._on_end(running.seat, conclude(running.prepared, score, running.seat.on_event))

    def _train_alone(self, seat: Seat) -> None:
        prepared = prepare(seat.spec, seat.on_event, self._hub, self._inputs)
        score = train(prepared, seat.on_event, seat.pause)
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
        for seat in self._alone:
            seat.on_event(Log(message=f"waits to train alone: {len(self._together)} of its group still train"))

    def _drop(self, seat: Seat) -> None:
        for member in [member for member, running in self._together.items() if running.seat is seat]:
            del self._together[member]
            self._shared.forget(member)

    @contextmanager
    def _boundary(self, seat: Seat) -> Iterator[None]:
        """Whatever breaks in here ends this run and no other."""
        try:
            with memory_explained(seat.spec):
                yield
        except Exception as error:
            self._drop(seat)
            self._on_end(seat, error)


def _put_back(states: dict[Member, bytes]) -> None:
    for member, state in states.items():
        member.stream.state = state


def _in_short(error: Exception) -> str:
    said = str(error).strip().splitlines()
    return said[0] if isinstance(error, CannotShare) else f"{type(error).__name__}: {said[0] if said else ''}"


def _take_tensors(model: nn.Module, other: nn.Module) -> None:
    """Hold the tensors of another model of the same files in place of one's own; the heads' stay apart."""
    there = dict(other.named_parameters())
    for name, parameter in model.named_parameters():
        if not is_head(name):
            parameter.data = there[name].data


def _keep_apart(model: nn.Module, base: nn.Module) -> None:
    """What a run trains is its own, also where it came with the base (its head, BitFit's biases)."""
    shared = {parameter.data_ptr() for parameter in base.parameters()}
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.data_ptr() in shared:
            parameter.data = parameter.data.clone()
