"""Runs of one study that train together: their batches pass the frozen base model as one.

Each run keeps its own model, optimizer, learning rate, clipping, random numbers, validations, early stopping and
checkpoints: all that a run is, but for the pass itself (peft_core.shared_pass). So a run that is stopped, paused or
broken leaves the others as they are, and one that began together goes on alone from its checkpoint, or the other way
round. The time of a shared step belongs to no run: what a method costs is measured by probes, which run alone.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from peft_core.analysis.cost_model.memory import Memory
from peft_core.analysis.cost_model.setting import DeviceKind, setting_of
from peft_core.data import Item
from peft_core.fit import Fit
from peft_core.hub import on_this_machine
from peft_core.hub_access import Hub
from peft_core.method import Method, build_method
from peft_core.out_of_memory import is_out_of_memory
from peft_core.run import Inputs, Prepared, conclude, hush_libraries, memory_explained, prepare, read_inputs, train
from peft_core.run_state import load_base
from peft_core.spec import Log, OnEvent, Pause, RunResult, RunSpec
from peft_core.task import Task
from peft_core.training import autocast, to_device

if TYPE_CHECKING:
    import torch
    from torch import nn

    from peft_core.shared_pass import Member, SharedPass, Turn

MOST_ROWS = 128
"""Texts in one pass. More bring little: MiniLM at 20 tokens on two cores does 154 to 171 texts a second in rows of 8,
and 651 in rows of 120."""
MOST_PADDING = 0.15
"""Of a pass, the share of positions that may be there only because another run's texts are longer."""
CLOSE_ENOUGH = {"fp32": 1e-4, "bf16": 5e-2}
"""How far a run's first loss in a shared pass may be off the one it has alone, relative to 1 + the loss."""


TRAINED_BYTES = 16
"""For each number a run trains, in float32: itself, its gradient and AdamW's two averages."""
ROOM = 1.2
"""What an estimate of a further run's memory is multiplied with."""


@dataclass(frozen=True)
class Seat:
    """One run of a group: what it does, whom it tells, and when it should stop for now."""

    spec: RunSpec
    on_event: OnEvent
    pause: Pause
    """Asked after every step, for this run alone."""


OnEnd = Callable[[Seat, RunResult | Exception], None]


def fusable(spec: RunSpec) -> bool:
    """Whether a run may share passes with others of its study. Cheap, and needs no torch."""
    budget = spec.budget
    whole = budget.accumulation == 1 and not budget.gradient_checkpointing
    trains = spec.purpose in ("tune", "report") and spec.learning_rate is not None and spec.precision is not None
    return whole and trains and type(build_method(spec.method, spec.hyperparameters)).fuses


def worth_together(specs: Sequence[RunSpec]) -> list[RunSpec]:
    """Of runs of one study those that share passes with the first one, itself included, those of its seed first: they
    learn from the same batches, so that no text is padded for another's sake."""
    able = [spec for spec in specs if fusable(spec)]
    return sorted(able, key=lambda spec: spec.seed != specs[0].seed)


def most_together(specs: Sequence[RunSpec], free_bytes: int | None, device: DeviceKind = "cpu") -> int:
    """How many of these runs, in order, go into so much memory; at least 1. None: it is not known, and no limit.

    What the first run needs alone; the activations of a pass, which holds MOST_ROWS texts at most; and for each further
    run 16 bytes for each number it trains (the number, its gradient, two averages): the cost model's figures
    (peft_core.analysis.cost_model.memory), those of the pass and of the further runs 1.2 times.
    """
    if free_bytes is None:
        return len(specs)
    memories = [Memory(setting_of(spec, precision=spec.precision or "fp32", device=device)) for spec in specs]
    batch = specs[0].budget.batch_size
    activations = max(memory.activations.kept + memory.lost for memory in memories)
    for count in range(len(specs), 1, -1):
        passes = min(count, max(1, MOST_ROWS // batch)) - 1
        trained = sum(TRAINED_BYTES * memory.trained_numbers for memory in memories[1:count])
        if memories[0].peak + ROOM * (passes * activations + trained) <= free_bytes:
            return count
    return 1


def run_together(seats: Sequence[Seat], on_end: OnEnd, hub: Hub | None = None) -> None:
    """Do the runs of one study, sharing passes where they can; where one cannot, its log says why and it trains alone.

    `on_end` is called once for every seat, as soon as its run has ended: with its result, or with what ended it
    (RunPaused, a PeftCoreError, anything that broke). One run's end never touches the others.
    """
    hush_libraries()
    group = _Group(on_end, hub or Hub())
    for seat in seats:
        group.prepare(seat)
    group.train()


@dataclass(frozen=True, eq=False)
class _Running:
    """A seat whose run is ready or at work."""

    seat: Seat
    prepared: Prepared
    fit: Fit
    member: "Member"

    def turn(self, items: Sequence[Item]) -> "Turn":
        from peft_core.shared_pass import Turn

        loop = self.prepared.state.loop
        return Turn(self.member, items, loop.task.collate(items, loop.pad_token_id))


@dataclass(frozen=True)
class _Due:
    """A run and what it is to learn from next."""

    running: _Running
    turn: "Turn"


class _Group:
    """The runs of a group, from their preparation to their ends."""

    def __init__(self, on_end: OnEnd, hub: Hub) -> None:
        self._on_end, self._hub = on_end, hub
        self._inputs: Inputs | None = None
        self._bases: dict[int, nn.Module] = {}
        self._together: list[_Running] = []
        self._alone: list[Seat] = []
        self._shared_pass: SharedPass | None = None
        self._most_rows = MOST_ROWS

    @property
    def _shared(self) -> "SharedPass":
        assert self._shared_pass is not None, "there is one as soon as a run is ready"
        return self._shared_pass

    # -- before training ---------------------------------------------------------------------------------------------

    def prepare(self, seat: Seat) -> None:
        """Attach a run's method to a base that it shares, and put it where its checkpoint left it."""
        with self._boundary(seat):
            if not fusable(seat.spec):
                self._leave(seat, "its method, budget or purpose does not share passes")
                return
            if self._inputs is None:
                self._inputs = read_inputs(on_this_machine(seat.spec, self._hub, seat.on_event))
            prepared = prepare(seat.spec, seat.on_event, self._hub, self._inputs, self._base_for)
            self._together.append(self._seated(seat, prepared))

    def _base_for(self, spec: RunSpec, task: type[Task], method: Method, device: "torch.device") -> "nn.Module":
        """The base with the head that this seed gives it; its frozen tensors are there once for all runs."""
        from peft_core.shared_pass import share_tensors

        if spec.seed not in self._bases:
            base = load_base(spec, task, method, device)
            for first in list(self._bases.values())[:1]:
                _take_tensors(base, first)
            self._bases[spec.seed] = base
        return share_tensors(self._bases[spec.seed])

    def _seated(self, seat: Seat, prepared: Prepared) -> _Running:
        from peft_core.random_stream import RandomStream
        from peft_core.shared_pass import Member, SharedPass

        state, plan = prepared.state, prepared.plan
        assert plan is not None, "what trains nothing is not fusable"
        _keep_apart(state.model, self._bases[seat.spec.seed])
        if self._shared_pass is None:
            self._shared_pass = SharedPass(self._bases[seat.spec.seed], state.loop)
        fit = Fit(state, plan, seat.on_event, seat.pause)
        configuration = f"{seat.spec.method} {state.loop.method.model_dump_json()}"
        # Only now: a checkpoint says where the random numbers stand.
        stream = RandomStream(state.loop.device)
        return _Running(seat, prepared, fit, Member(state.loop.method, state.model, stream, configuration))

    # -- training ----------------------------------------------------------------------------------------------------

    def train(self) -> None:
        """Step after step until every run has ended."""
        self._check()
        for running in self._together:
            running.prepared.environment["trained_together"] = len(self._together)
        while self._together:
            self._step()
        self._shared_pass, self._bases = None, {}
        for seat in self._alone:
            with self._boundary(seat):
                self._train_alone(seat)

    def _step(self) -> None:
        due = []
        for running in list(self._together):
            items = running.fit.next_batch()
            if items is None:
                self._conclude(running)
            else:
                due.append(_Due(running, running.turn(items)))
        for one_pass in self._passes(due):
            for each in one_pass:
                with each.running.member.stream.in_use():
                    each.running.fit.training.begin_step()
            self._pass(one_pass)

    def _pass(self, due: Sequence[_Due]) -> None:
        """One pass, in halves where memory does not take it whole."""
        from peft_core.shared_pass import CannotShare

        before = [each.running.member.stream.state for each in due]
        try:
            losses = self._shared.backward([each.turn for each in due])
        except CannotShare as error:
            for each in due:
                self._leave(each.running.seat, str(error))
            return
        except (MemoryError, RuntimeError) as error:
            self._after_memory_ran_out(error, due, before)
            return
        for each, loss in zip(due, losses, strict=True):
            running = each.running
            with self._boundary(running.seat), running.member.stream.in_use():
                running.fit.took(running.fit.training.end_step(loss, each.turn.items))

    def _after_memory_ran_out(self, error: Exception, due: Sequence[_Due], before: Sequence[bytes]) -> None:
        """Again in two passes, and in smaller ones from now on; one run whose memory does not do alone ends."""
        if not is_out_of_memory(error):
            raise error
        for each, state in zip(due, before, strict=True):
            each.running.fit.training.optimizer.zero_grad(set_to_none=True)
            each.running.member.stream.state = state
        if len(due) == 1:
            with self._boundary(due[0].running.seat):
                raise error
            return
        half = len(due) // 2
        self._most_rows = max(1, sum(each.turn.rows for each in due[:half]))
        for part in (due[:half], due[half:]):
            self._pass(part)

    def _passes(self, due: Sequence[_Due]) -> Iterator[list[_Due]]:
        """Runs that go well together: about as long, so that little is padding; neighbours of one configuration.

        Runs of one seed learn from the same batches, so that they meet again at every step.
        """

        def place(each: _Due) -> tuple[Any, ...]:
            graft = self._shared.graft_of(each.turn.member)
            return graft.reaches_base, graft.prompt_length, each.turn.length, graft.prefix_length

        found: list[_Due] = []
        for each in sorted(due, key=place):
            if found and not self._go_together([*found, each]):
                yield sorted(found, key=_configuration)
                found = []
            found.append(each)
        if found:
            yield sorted(found, key=_configuration)

    def _go_together(self, due: Sequence[_Due]) -> bool:
        grafts = [self._shared.graft_of(each.turn.member) for each in due]
        rows = max(each.turn.rows for each in due)
        own = [graft.prompt_length + each.turn.length for graft, each in zip(grafts, due, strict=True)]
        padding = 1 - sum(own) / (len(own) * max(own))
        # What does not reach into the base has no way back through it either.
        alike = len({graft.reaches_base for graft in grafts}) == 1
        return alike and rows * len(due) <= self._most_rows and padding <= MOST_PADDING

    # -- ends --------------------------------------------------------------------------------------------------------

    def _conclude(self, running: _Running) -> None:
        self._drop(running.seat)
        with self._boundary(running.seat):
            score = running.fit.conclude()
            self._on_end(running.seat, conclude(running.prepared, score, running.seat.on_event))

    def _train_alone(self, seat: Seat) -> None:
        prepared = prepare(seat.spec, seat.on_event, self._hub, self._inputs)
        score = train(prepared, seat.on_event, seat.pause)
        self._on_end(seat, conclude(prepared, score, seat.on_event))

    def _leave(self, seat: Seat, why: str) -> None:
        """Train this run alone, when the others have ended."""
        seat.on_event(Log(message=f"trains alone: {why}"))
        self._drop(seat)
        self._alone.append(seat)

    def _drop(self, seat: Seat) -> None:
        self._together = [running for running in self._together if running.seat is not seat]

    @contextmanager
    def _boundary(self, seat: Seat) -> Iterator[None]:
        """Whatever breaks in here ends this run and no other."""
        try:
            with memory_explained(seat.spec):
                yield
        except Exception as error:
            self._drop(seat)
            self._on_end(seat, error)

    # -- the check before the first step -----------------------------------------------------------------------------

    def _check(self) -> None:
        """Runs whose loss is not the same together as alone train alone: first each configuration by itself, then all
        of them beside each other."""
        firsts = {running.member.configuration: running for running in reversed(self._together)}
        unfit = {name for name, running in firsts.items() if self._differ([running])}
        for running in [each for each in self._together if each.member.configuration in unfit]:
            self._leave(running.seat, "its loss would not be the same as alone")
        for one_pass in list(self._passes([self._first(running) for running in self._together])):
            for running in self._differ([each.running for each in one_pass]):
                self._leave(running.seat, "beside these other runs its loss would not be the same as alone")

    def _differ(self, runs: Sequence[_Running]) -> list[_Running]:
        """Those of these runs whose loss on their first items is not the same in a shared pass as alone."""
        import torch

        from peft_core.shared_pass import CannotShare

        first = [self._first(running) for running in runs]
        before = [running.member.stream.state for running in runs]
        with torch.no_grad():
            alone = [_loss_alone(each) for each in first]
            for running, state in zip(runs, before, strict=True):
                running.member.stream.state = state
            try:
                together = [loss.item() for loss in self._shared.losses([each.turn for each in first])]
            except CannotShare:
                return list(runs)
            finally:
                for running, state in zip(runs, before, strict=True):
                    running.member.stream.state = state
        close = CLOSE_ENOUGH[runs[0].prepared.state.loop.precision]
        pairs = zip(runs, alone, together, strict=True)
        return [running for running, a, b in pairs if not math.isclose(a, b, rel_tol=close, abs_tol=close)]

    def _first(self, running: _Running) -> _Due:
        spec = running.seat.spec
        return _Due(running, running.turn(running.prepared.state.train_items[: spec.budget.batch_size]))


def _configuration(due: _Due) -> str:
    return due.turn.member.configuration


def _loss_alone(due: _Due) -> float:
    """The loss that a run's own model has by itself. On CUDA without dropout, which kernels of other shapes draw
    otherwise."""
    running, loop = due.running, due.running.prepared.state.loop
    with running.member.stream.in_use(), autocast(loop.device, loop.precision):
        running.fit.training.begin_step()
        return float(loop.task.loss(running.member.model, to_device(due.turn.batch, loop.device)).item())


def _take_tensors(model: "nn.Module", other: "nn.Module") -> None:
    """Hold the tensors of another model of the same files in place of one's own; the heads' stay apart."""
    from peft_core.head import is_head

    there = dict(other.named_parameters())
    for name, parameter in model.named_parameters():
        if not is_head(name):
            parameter.data = there[name].data


def _keep_apart(model: "nn.Module", base: "nn.Module") -> None:
    """What a run trains is its own, also where it came with the base (its head, BitFit's biases)."""
    shared = {parameter.data_ptr() for parameter in base.parameters()}
    for parameter in model.parameters():
        if parameter.requires_grad and parameter.data_ptr() in shared:
            parameter.data = parameter.data.clone()
