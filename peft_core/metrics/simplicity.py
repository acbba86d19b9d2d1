"""Implementation simplicity: a checklist of what was tried on the trained model, not physics."""

import copy
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from peft_core.four_bit import four_bit_options, has_four_bit_layers
from peft_core.head import is_head
from peft_core.metric import LinearAnchors, Metric
from peft_core.spec import Measurement
from peft_core.training import autocast

if TYPE_CHECKING:
    from torch import nn

    from peft_core.run_state import RunInProgress

MERGE_TOLERANCE = 1e-4
"""Largest difference of a logit: float32 adds the same terms in another order after a merge."""

REFUSALS = (ValueError, RuntimeError, AttributeError, TypeError)
"""How libraries refuse, each in its own way (prefix tuning with checkpointing raises ValueError): an answer, too."""


class Simplicity(Metric):
    key = "simplicity"
    title = "Simplicity"
    quantity = "fraction"
    unit = "fraction"
    better = "higher"
    meaning = "How little trouble a method gives: what works when tried, and how many settings of its own it has."
    how = (
        "Mean of the parts that are measured: the share of capability checks passed (4-bit base step, gradient"
        " checkpointing, exact merge, hot swap, bit-equal save and load); 1 / (1 + log2(1 + own hyper-parameters)); and"
        " in a study that tried five learning rates or more, the decades of them that score within a point of the best,"
        " at most one."
    )
    purposes = frozenset({"probe"})
    position = 6
    anchors = LinearAnchors(worst=0, best=1)

    def measure(self, run: "RunInProgress") -> Measurement:
        if not run.steps:
            return self.missing("this method trains nothing")
        checks = {name: check(run) for name, check in CHECKS.items()}
        tried = [passed for passed in checks.values() if passed is not None]
        own = len(type(run.loop.method).model_fields)
        footprint = 1 / (1 + math.log2(1 + own))
        capability = sum(tried) / len(tried)
        detail: dict[str, JsonValue] = {
            "checks": dict(checks),
            "capability_share": capability,
            "footprint": footprint,
            "own_hyperparameters": own,
        }
        return Measurement(metric=self.key, value=(capability + footprint) / 2, detail=detail)


def merges_exactly(run: "RunInProgress") -> bool:
    """The merged model gives the unmerged one's logits; a model that is already of the base's form counts."""
    merged = run.loop.method.merge(copy.deepcopy(run.model))
    if merged is None:
        return False
    difference = run.logits(merged) - run.logits(run.model)
    return bool(difference.abs().max() <= MERGE_TOLERANCE)


def trains_on_a_4_bit_base(run: "RunInProgress") -> bool | None:
    """A step beside a base in 4 bits gives every trained parameter a finite gradient; None where this machine has no
    4-bit layers to try."""
    if not has_four_bit_layers():
        return None
    try:
        return _learns(_attached(run, **four_bit_options()), run)
    except REFUSALS:
        return False


def checkpoints_gradients(run: "RunInProgress") -> bool:
    """A step with gradient checkpointing gives every trained parameter a finite gradient."""
    model = _attached(run)
    try:
        model.activation_checkpointing_enable()  # type: ignore[operator]
        return _learns(model, run)
    except REFUSALS:
        return False


def _attached(run: "RunInProgress", **options: Any) -> "nn.Module":
    """The method on a fresh copy of the base, which has answered nothing yet: 4-bit layers that have may pass no
    gradient on any more."""
    method, task = run.loop.method, run.loop.task
    base = task.load_model(run.spec.task, str(run.spec.base_model), **(method.load_options() | options))
    base = base.to(run.loop.device).eval()
    attached = method.attach(base, task_kind=run.spec.task.kind, total_steps=len(run.steps))
    return attached.to(run.loop.device)


def _learns(model: "nn.Module", run: "RunInProgress") -> bool:
    """Whether one step gives every parameter that should be trained a finite gradient."""
    model.train()
    run.loop.method.before_step(model, 1)
    with autocast(run.loop.device, run.loop.precision):
        loss = run.loop.task.loss(model, run.probe_batch)
    loss.backward()  # type: ignore[no-untyped-call]
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return all(parameter.grad is not None and bool(parameter.grad.isfinite().all()) for parameter in trained)


def leaves_the_base_untouched(run: "RunInProgress") -> bool:
    """Hot swap: adapters can share one loaded base, for training left every tensor of it as it was."""
    if run.loop.method.trains_base:
        return False
    restored = run.loop.method.load(run.fresh_base(), run.adapter_folder, task_kind=run.spec.task.kind)
    trained = {name for name, parameter in run.model.named_parameters() if parameter.requires_grad}
    fresh = dict(restored.named_parameters())
    return all(
        bool((parameter == fresh[name]).all())
        for name, parameter in run.model.named_parameters()
        if name not in trained and name in fresh and not is_head(name)
    )


def restores_bit_equal(run: "RunInProgress") -> bool:
    """Saved and loaded into a fresh base, the model gives the same logits to the last bit."""
    restored = run.loop.method.load(run.fresh_base(), run.adapter_folder, task_kind=run.spec.task.kind)
    restored = restored.to(run.loop.device)
    return bool((run.logits(restored) == run.logits(run.model)).all())


CHECKS: "dict[str, Callable[[RunInProgress], bool | None]]" = {
    "4-bit base step": trains_on_a_4_bit_base,
    "gradient checkpointing": checkpoints_gradients,
    "exact merge": merges_exactly,
    "hot swap": leaves_the_base_untouched,
    "bit-equal save and load": restores_bit_equal,
}
