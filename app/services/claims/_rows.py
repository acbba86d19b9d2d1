"""What claims ask a study: its rows of a method, ratios of two rows, and a sweep's best value."""

from collections.abc import Iterable
from math import log

from app.db.tables import Configuration
from app.schemas import Number, Sentence, SweepView
from app.services.claim import Judged
from app.services.evidence import StudyEvidence
from app.services.numbers import label, listed, number, text
from app.services.sweeps import study_sweeps
from peft_core.task import sign

CHAPTER = ("lora", "adapter", "prefix_tuning", "p_tuning_v2")
"""The methods that the chapter compares with full fine-tuning."""
PREFIXES = ("prefix_tuning", "p_tuning_v2")
MARGIN = 0.05
"""Latencies that differ by less are called alike: a probe is one measurement."""


def rows_of(evidence: StudyEvidence, methods: Iterable[str]) -> list[Configuration]:
    """The study's rows of these methods."""
    wanted = set(methods)
    return [row for row in evidence.configurations if row.method in wanted]


def first_row(evidence: StudyEvidence, method: str) -> Configuration | None:
    """The study's first row of a method."""
    return next(iter(rows_of(evidence, [method])), None)


def plain_row(evidence: StudyEvidence, metric: str) -> Configuration | None:
    """The base model as it is, else fully fine-tuned: the same layers, nothing beside them; with this metric."""
    rows = [row for row in (evidence.untuned, evidence.full) if row is not None]
    return next((row for row in rows if evidence.values(row.id, metric)), None)


def ratio(evidence: StudyEvidence, row: Configuration, other: Configuration | None, metric: str) -> Number | None:
    """Mean of the row over mean of the other, None where one of them is not measured."""
    values = evidence.values(row.id, metric)
    others = evidence.values(other.id, metric) if other is not None else {}
    if not values or not others or not sum(others.values()):
        return None
    mean, reference = sum(values.values()) / len(values), sum(others.values()) / len(others)
    return Number(
        value=mean / reference,
        quantity="ratio",
        statistic="ratio",
        metric=metric,
        source=evidence.source([*values, *others]),
        run_ids=list(values),
        reference_run_ids=list(others),
    )


def ratios(
    evidence: StudyEvidence, rows: Iterable[Configuration], other: Configuration | None, metric: str
) -> list[tuple[Configuration, Number]]:
    """The rows that have a ratio, with it."""
    found = [(row, ratio(evidence, row, other, metric)) for row in rows]
    return [(row, share) for row, share in found if share is not None]


def told(found: Iterable[tuple[Configuration, Number]]) -> Sentence:
    """ "LoRA r8 0.41×, Adapter b48 0.44×." """
    return listed([[label(row), text(" "), number(value)] for row, value in found])


def best_of_each(
    evidence: StudyEvidence, found: Iterable[tuple[Configuration, Number]]
) -> list[tuple[Configuration, Number]]:
    """Of ratios of scores the best one of each method."""
    best: dict[str, tuple[Configuration, Number]] = {}
    for row, share in found:
        known = best.get(row.method)
        if known is None or sign(evidence.task) * (share.value - known[1].value) > 0:
            best[row.method] = (row, share)
    return list(best.values())


def quality_kept(evidence: StudyEvidence, found: Number) -> bool:
    """Whether a ratio of scores says that at least 95 % is kept, whichever direction is better."""
    kept = found.value if sign(evidence.task) > 0 else 1 / found.value
    return kept >= 1 - MARGIN


def judge_best_value(evidence: StudyEvidence, method: str, parameter: str, claimed: float) -> Judged | None:
    """Whether the best of a swept hyper-parameter is the claimed value, or the swept one nearest to it."""
    sweeps = [view for view in study_sweeps(evidence) if (view.method, view.parameter) == (method, parameter)]
    judged = [(view, _best(view)) for view in sweeps]
    usable = [(view, best) for view, best in judged if best is not None]
    if not usable:
        return None
    view, best = usable[0]
    nearest = min((point.value for point in view.points), key=lambda value: abs(log(value / claimed)))
    agrees = True if best == nearest else (False if view.separable else None)
    return Judged(agrees, view.sentence)


def _best(view: SweepView) -> float | None:
    return next((point.value for point in view.points if point.configuration == view.best), None)
