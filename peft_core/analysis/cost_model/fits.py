"""Whether a run fits a device's memory and, if not, what would: found by asking the model again."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from peft_core.analysis.cost_model.memory import Memory, size
from peft_core.analysis.cost_model.setting import Setting
from peft_core.errors import PeftCoreError
from peft_core.method import Method, methods

SHORTEST = 16
"""Tokens; shorter texts are no advice."""

MOST_SHOWN = 3

Option = tuple[str, Setting]
"""What to change, and the run as it would be then."""


@dataclass(frozen=True)
class Verdict:
    """`sentence` has the numbers, and where the run does not fit also what would."""

    fits: bool
    sentence: str


def verdict(setting: Setting, device_bytes: int) -> Verdict:
    """Whether the estimated peak fits into so many bytes."""
    needed = Memory(setting).peak
    told = f"This run needs about {size(needed)} and the device has {size(device_bytes)}."
    return Verdict(True, told) if needed <= device_bytes else Verdict(False, f"{told} {advice(setting, device_bytes)}")


def advice(setting: Setting, device_bytes: int) -> str:
    """What would fit into so many bytes: of each kind of change the mildest that does; or that nothing would."""
    kinds = [[(what, Memory(changed).peak) for what, changed in options] for options in _changes(setting)]
    fitting = [next((option for option in kind if option[1] <= device_bytes), None) for kind in kinds]
    if any(fitting):
        shown = "; ".join(f"{what} ({size(needed)})" for what, needed in list(filter(None, fitting))[:MOST_SHOWN])
        return f"What would fit: {shown}."
    what, needed = min((option for kind in kinds for option in kind), key=lambda option: option[1])
    return f"Nothing would: even {what} needs {size(needed)}. Choose a smaller base model."


def _changes(setting: Setting) -> Iterator[list[Option]]:
    """The kinds of change, each from its mildest to its strongest."""
    narrower = list(_narrower(setting))
    if _may_checkpoint(setting):
        yield [("gradient checkpointing", _with(setting, gradient_checkpointing=True))]
    yield list(_in_parts(setting))
    yield list(_shorter(setting))
    yield [(method.title, replace(setting, method=method)) for method in narrower]
    for method in (setting.method, *narrower):
        changed = replace(setting, method=method)
        checkpointing = setting.budget.gradient_checkpointing or _may_checkpoint(changed)
        least = _with(changed, accumulation=setting.budget.batch_size, gradient_checkpointing=checkpointing)
        yield [(f"{method.title} with one text at a time{' and checkpointing' if checkpointing else ''}", least)]


def _may_checkpoint(setting: Setting) -> bool:
    return setting.method.capabilities.gradient_checkpointing and not setting.budget.gradient_checkpointing


def _in_parts(setting: Setting) -> Iterator[Option]:
    """The batch worked off in two, four, eight ... parts, which gives the same gradient."""
    parts = 2 * setting.budget.accumulation
    while parts <= setting.budget.batch_size:
        yield f"the batch in {parts} parts (accumulation)", _with(setting, accumulation=parts)
        parts *= 2


def _shorter(setting: Setting) -> Iterator[Option]:
    length = setting.text_length // 2
    while length >= SHORTEST:
        yield f"texts cut at {length} tokens", _with(setting, max_length=length)
        length //= 2


def _narrower(setting: Setting) -> Iterator[Method]:
    """The methods that hold the base in fewer bits, with the hyper-parameters that they share with this one."""
    for kind in methods().values():
        if kind.linear_bytes >= setting.method.linear_bytes:
            continue
        shared = {name: value for name, value in setting.method.model_dump().items() if name in kind.model_fields}
        try:
            method = kind.model_validate(shared)
            method.check(setting.shape, task_kind=setting.task_kind, max_length=setting.budget.max_length)
        except (PeftCoreError, ValueError):
            continue
        yield method


def _with(setting: Setting, **changes: Any) -> Setting:
    return replace(setting, budget=setting.budget.model_copy(update=changes))
