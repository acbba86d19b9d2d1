"""A case that nobody has measured: what the nearest studies say of it, and how far that may be off.

Only ratios to full fine-tuning are carried over (shares of its gain for quality), never raw values. What is asked of
other sizes than the studies have by a factor of more than three is refused.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from peft_core.compare.normalise import QualityScale
from peft_core.compare.recommend import QUALITY, Candidate
from peft_core.compare.statistics import ALPHA, standard_error
from peft_core.metric import LinearAnchors, RatioAnchors, metrics

Dimension = Literal["parameters", "train_items", "length"]

WEIGHTS: Mapping[Dimension, float] = {"parameters": 1.0, "train_items": 1.0, "length": 0.5}
"""How much a factor of three counts in each: the length least, for it moves costs of all methods alike."""

OTHER_DEVICE = 1.0
"""What another class of device counts: as much as a factor of three in size."""

REACH = 3.0
"""How far outside the measured range, as a factor, ratios are still carried over."""

NEAREST = 3
TINY = 1e-9

NOTHING = 1e-12
"""A ratio of zero (head-only trains no parameters of its own) on a logarithmic scale."""

REFERENCE = "full"
"""The name under which full fine-tuning itself is among the configurations."""


@dataclass(frozen=True)
class Case:
    """What a comparison is about. `parameters`: of the base model. `length`: most tokens of an item."""

    architecture: str
    task_kind: str
    device: str
    parameters: float
    train_items: float
    length: float

    def size(self, dimension: Dimension) -> float:
        return {"parameters": self.parameters, "train_items": self.train_items, "length": self.length}[dimension]

    def matches(self, other: "Case") -> bool:
        """Whether ratios may be carried over at all: the same architecture family and kind of task."""
        return (self.architecture, self.task_kind) == (other.architecture, other.task_kind)


def distance(one: Case, other: Case) -> float:
    """sqrt(sum of w (ln(size / other size) / ln 3)^2, + 1 for another class of device); 1 is a factor of three in the
    number of parameters, or of training items."""
    apart = sum(
        weight * (math.log(one.size(dimension) / other.size(dimension)) / math.log(3)) ** 2
        for dimension, weight in WEIGHTS.items()
    )
    return math.sqrt(apart + (OTHER_DEVICE if one.device != other.device else 0.0))


@dataclass(frozen=True)
class Carried:
    """A figure on the scale on which it is carried over: the logarithm of a ratio to full fine-tuning, a share of its
    gain, or (simplicity, forgetting) the value itself. `error`: its standard error over seeds."""

    value: float
    error: float = 0.0


Figures = Mapping[tuple[str, str], Carried]
"""(name of a configuration, metric) -> figure. The same name means the same method and hyper-parameters."""


@dataclass(frozen=True)
class Known:
    """A study as evidence for other cases."""

    study: int
    case: Case
    figures: Figures


def figures_of(
    named: Mapping[str, Candidate], full: Candidate, scale: QualityScale | None
) -> dict[tuple[str, str], Carried]:
    """Everything of a study that can be carried over; quality only where full fine-tuning clearly gained something."""
    found: dict[tuple[str, str], Carried] = {}
    for name, candidate in named.items():
        for metric in candidate.values:
            carried = _gain(candidate, full, scale) if metric == QUALITY else _carried(candidate, full, metric)
            if carried is not None:
                found[name, metric] = carried
    return found


def _gain(candidate: Candidate, full: Candidate, scale: QualityScale | None) -> Carried | None:
    """Share of full fine-tuning's gain over the floor."""
    mean = candidate.mean(QUALITY)
    if scale is None or not scale.defined or mean is None:
        return None
    reach = scale.full - scale.floor
    share = (mean - scale.floor) / reach
    spread = math.hypot(_error(candidate, QUALITY), share * _error(full, QUALITY)) / reach
    return Carried(share, 0.0 if candidate.key == full.key else spread)


def _carried(candidate: Candidate, full: Candidate, metric: str) -> Carried | None:
    anchors = metrics()[metric].anchors if metric in metrics() else None
    mean, reference = candidate.mean(metric), full.mean(metric)
    if isinstance(anchors, LinearAnchors) and mean is not None:
        return Carried(mean, _error(candidate, metric))
    if not isinstance(anchors, RatioAnchors) or mean is None or not reference or mean < 0 or reference < 0:
        return None
    ratio = max(mean / reference, NOTHING)
    spread = math.hypot(_error(candidate, metric) / mean if mean else 0.0, _error(full, metric) / reference)
    return Carried(math.log(ratio), 0.0 if candidate.key == full.key else spread)


def _error(candidate: Candidate, metric: str) -> float:
    values = candidate.values.get(metric, ())
    return standard_error(values) if len(values) > 1 else 0.0


@dataclass(frozen=True)
class Estimate:
    """A figure of a case that was not measured, on the scale on which it was carried over.

    `error`: of seeds and of carrying over together; None where no study can be left out to learn the latter.
    `degrees`: how many studies were left out. `studies`: those that it comes from.
    """

    value: float
    error: float | None
    degrees: int
    studies: tuple[int, ...]

    def interval(self) -> tuple[float, float] | None:
        """95 %, on the same scale."""
        from scipy import stats

        if self.error is None:
            return None
        half = float(stats.t.ppf(1 - ALPHA / 2, self.degrees)) * self.error
        return self.value - half, self.value + half


@dataclass(frozen=True)
class Near:
    study: int
    distance: float


@dataclass(frozen=True)
class Outside:
    """A size that lies further outside what was measured than ratios are carried."""

    dimension: Dimension
    asked: float
    lo: float
    hi: float


@dataclass(frozen=True)
class Lookup:
    """`exact`: the study that measured this very case. `matching`: how many studies could speak of it. `outside`: why
    none does though some match."""

    matching: int
    exact: int | None = None
    nearest: tuple[Near, ...] = ()
    outside: tuple[Outside, ...] = ()
    estimates: Mapping[tuple[str, str], Estimate] = field(default_factory=dict)


def look_up(case: Case, known: Sequence[Known]) -> Lookup:
    """The study of this very case (the newest, by its number), or estimates from the three nearest ones."""
    matching = [study for study in known if study.case.matches(case)]
    nearest = _nearest(case, matching)
    near = tuple(Near(study.study, distance(case, study.case)) for study in nearest)
    exact = [study.study for study in matching if study.case == case]
    if exact:
        return Lookup(len(matching), exact=max(exact), nearest=near)
    outside = _outside(case, matching)
    if not matching or outside:
        return Lookup(len(matching), nearest=near, outside=outside)
    wanted = dict.fromkeys(name for study in nearest for name in study.figures)
    errors = _left_out_errors(matching)
    return Lookup(len(matching), nearest=near, estimates={key: _estimate(case, key, nearest, errors) for key in wanted})


def _nearest(case: Case, studies: Iterable[Known]) -> list[Known]:
    """Of equally near ones the newest."""
    return sorted(studies, key=lambda study: (distance(case, study.case), -study.study))[:NEAREST]


def _outside(case: Case, matching: Sequence[Known]) -> tuple[Outside, ...]:
    found = []
    for dimension in WEIGHTS:
        sizes = [study.case.size(dimension) for study in matching]
        asked = case.size(dimension)
        if sizes and not min(sizes) / REACH <= asked <= max(sizes) * REACH:
            found.append(Outside(dimension, asked, min(sizes), max(sizes)))
    return tuple(found)


def _estimate(
    case: Case, key: tuple[str, str], nearest: Sequence[Known], errors: Mapping[str, Sequence[tuple[int, float]]]
) -> Estimate:
    having = [study for study in nearest if key in study.figures]
    weights = _weights(case, having)
    value = sum(weight * study.figures[key].value for weight, study in zip(weights, having, strict=True))
    seeds = math.hypot(*(w * study.figures[key].error for w, study in zip(weights, having, strict=True)))
    left_out = errors.get(key[1], ())
    carrying = math.sqrt(sum(error**2 for _, error in left_out) / len(left_out)) if left_out else None
    return Estimate(
        value=value,
        error=None if carrying is None else math.hypot(seeds, carrying),
        degrees=len({study for study, _ in left_out}),
        studies=tuple(sorted(study.study for study in having)),
    )


def _weights(case: Case, studies: Sequence[Known]) -> list[float]:
    """Inverse squares of the distances (Shepard 1968), summing to 1: a study of the same case alone decides."""
    inverse = [1 / max(distance(case, study.case), TINY) ** 2 for study in studies]
    return [weight / sum(inverse) for weight in inverse]


def _left_out_errors(matching: Sequence[Known]) -> dict[str, list[tuple[int, float]]]:
    """By metric, (study, measured minus what its nearest others would have said) for each study and configuration.

    Rows that are the reference itself are no test: their ratio is 1 everywhere.
    """
    errors: dict[str, list[tuple[int, float]]] = {}
    for left_out in matching:
        others = _nearest(left_out.case, [study for study in matching if study is not left_out])
        for key, figure in left_out.figures.items():
            having = [study for study in others if key in study.figures]
            if having and key[0] != REFERENCE:
                weights = _weights(left_out.case, having)
                told = sum(w * study.figures[key].value for w, study in zip(weights, having, strict=True))
                errors.setdefault(key[1], []).append((left_out.study, figure.value - told))
    return errors
