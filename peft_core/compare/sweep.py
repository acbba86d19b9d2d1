"""Sweeps: rows of one method that differ in one hyper-parameter, and which of its values does best for its size."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import JsonValue

from peft_core.compare.normalise import QualityScale, quality_score, ratio_score
from peft_core.metric import RatioAnchors, metrics

QUALITY_WEIGHT, PARAMETER_WEIGHT = 0.7, 0.3
"""The textbook's composite, over scores on fixed anchors."""

SHARE_OF_GAIN = 0.95
"""The textbook's line: what a value of the hyper-parameter should keep of full fine-tuning's gain."""

Signature = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Listed:
    """A row of a study (or of a preset): a method with its hyper-parameters in the order of its form."""

    key: int
    method: str
    hyperparameters: Mapping[str, JsonValue]


@dataclass(frozen=True)
class Sweep:
    """Rows by the value of `parameter`, from the smallest. `in_proportion`: what grows with it (alpha with the rank).
    `fixed`: what all of them share."""

    method: str
    parameter: str
    keys: tuple[int, ...]
    values: tuple[float, ...]
    in_proportion: tuple[str, ...] = ()
    fixed: Mapping[str, JsonValue] = field(default_factory=dict)


def find_sweeps(rows: Sequence[Listed]) -> list[Sweep]:
    """Every sweep among `rows`, in their order: two values of a hyper-parameter at least, all else equal or, for one
    other hyper-parameter, in proportion. Of sweeps over the same rows the one whose hyper-parameter the form lists
    first is kept, and none that lies within a larger one."""
    found: list[Sweep] = []
    for method in dict.fromkeys(row.method for row in rows):
        sweeps = list(_of_method([row for row in rows if row.method == method]))
        for place, sweep in enumerate(sweeps):
            if not any(_covers(other, sweep, earlier=k < place) for k, other in enumerate(sweeps) if k != place):
                found.append(sweep)
    return found


def _covers(other: Sweep, sweep: Sweep, *, earlier: bool) -> bool:
    mine, its = set(sweep.keys), set(other.keys)
    return mine < its or (mine == its and earlier)


def _of_method(rows: Sequence[Listed]) -> Iterator[Sweep]:
    names = list(dict.fromkeys(name for row in rows for name in row.hyperparameters))
    for parameter in names:
        usable = [row for row in rows if _number(row, parameter) is not None]
        companions = [name for name in names if name != parameter]
        for companion in [None, *companions]:
            groups: dict[Signature, list[Listed]] = {}
            for row in usable:
                signature = _signature(row, names, parameter, companion)
                if signature is not None:
                    groups.setdefault(signature, []).append(row)
            for group in groups.values():
                if len({_number(row, parameter) for row in group}) > 1:
                    yield _sweep(group, parameter, companion)


def _signature(row: Listed, names: Sequence[str], parameter: str, companion: str | None) -> Signature | None:
    """What rows of one sweep share: every other hyper-parameter, of a companion its ratio to the swept one."""
    shared = [(name, repr(row.hyperparameters.get(name))) for name in names if name not in (parameter, companion)]
    if companion is None:
        return tuple(shared)
    top, bottom = _number(row, companion), _number(row, parameter)
    if top is None or not bottom:
        return None
    return (*shared, (companion, f"{top / bottom:.9g}"))


def _sweep(group: Sequence[Listed], parameter: str, companion: str | None) -> Sweep:
    ordered = sorted(group, key=lambda row: (_number(row, parameter), row.key))
    first = ordered[0].hyperparameters
    return Sweep(
        method=ordered[0].method,
        parameter=parameter,
        keys=tuple(row.key for row in ordered),
        values=tuple(float(_number(row, parameter) or 0) for row in ordered),
        in_proportion=() if companion is None else (companion,),
        fixed={name: value for name, value in first.items() if name not in (parameter, companion)},
    )


def _number(row: Listed, name: str) -> float | None:
    value = row.hyperparameters.get(name)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


@dataclass(frozen=True)
class SweptValue:
    """Scores 0..1 of one value of the hyper-parameter; None where one of them is undefined."""

    quality: float | None
    parameters: float | None

    @property
    def composite(self) -> float | None:
        """0.7 u(quality) + 0.3 u(trainable parameters)."""
        if self.quality is None or self.parameters is None:
            return None
        return QUALITY_WEIGHT * self.quality + PARAMETER_WEIGHT * self.parameters


def score(
    quality: float | None, parameters: float | None, scale: QualityScale | None, full_parameters: float | None
) -> SweptValue:
    """The scores of a row, on the anchors of every other figure: other values of the sweep never change them.

    quality: better when higher, on the scale's own axis. full_parameters: what full fine-tuning trains.
    """
    anchors = metrics()["trainable_parameters"].anchors
    assert isinstance(anchors, RatioAnchors), "parameters are scored by their ratio"
    known = parameters is not None and full_parameters is not None and full_parameters > 0
    return SweptValue(
        quality=None if quality is None or scale is None else quality_score(quality, scale),
        parameters=ratio_score(parameters or 0.0, full_parameters or 0.0, anchors, higher_is_better=False)
        if known
        else None,
    )


def least_kept(scale: QualityScale) -> float:
    """The quality that keeps 95 % of full fine-tuning's gain over the untuned row."""
    return scale.floor + SHARE_OF_GAIN * (scale.full - scale.floor)


def best_place(composites: Sequence[float | None]) -> int | None:
    """Where the largest composite stands; the smaller value of the hyper-parameter at a tie."""
    known = [(value, -place) for place, value in enumerate(composites) if value is not None]
    return -max(known)[1] if known else None


def neighbours(place: int, values: Sequence[float]) -> list[int]:
    """The places of the next smaller and the next larger value of the hyper-parameter, where there are any; every row
    of them, where several rows have one value."""
    below = max((value for value in values if value < values[place]), default=None)
    above = min((value for value in values if value > values[place]), default=None)
    return [k for k, value in enumerate(values) if value in (below, above)]
