"""One metric of one configuration over seeds."""

from collections.abc import Sequence

from app.db.tables import Configuration, Run
from app.language import mark, tr
from app.schemas import Cell, IntervalCovers
from app.services.comparability import together_note
from app.services.derived import TIME_TO_TARGET, unreached, why_no_time
from app.services.evidence import StudyEvidence
from app.services.shared_steps import formula_of_time
from peft_core.compare.normalise import linear_score, quality_score, ratio_score
from peft_core.compare.recommend import QUALITY
from peft_core.compare.statistics import t_interval, wilson
from peft_core.metric import LinearAnchors, Metric
from peft_core.task import sign

NO_VALUE = mark("the run gave no value")


def build_cells(evidence: StudyEvidence) -> list[Cell]:
    """Every metric of every configuration, missing ones included: they say why."""
    catalogue = evidence.catalogue
    return [_cell(evidence, row, catalogue[key]) for row in evidence.configurations for key in evidence.metric_keys]


def quality_cell(evidence: StudyEvidence, row: Configuration) -> Cell:
    """The cell of the task's own score alone."""
    return _cell(evidence, row, evidence.catalogue[QUALITY])


def _cell(evidence: StudyEvidence, row: Configuration, metric: type[Metric]) -> Cell:
    runs = evidence.measuring(row.id, metric.key)
    values = evidence.values(row.id, metric.key)
    listed = list(values.values())
    mean = sum(listed) / len(listed) if listed else None
    bound = unreached(evidence, row.id) if metric.key == TIME_TO_TARGET else {}
    interval, covers = _interval(evidence, row, metric, listed)
    ids = list(values) or list(bound)
    behind = [run for run in runs if run.id in ids]
    formula = formula_of_time(evidence, behind) if metric.key == TIME_TO_TARGET else None
    return Cell(
        configuration=row.id,
        method=row.method,
        metric=metric.key,
        unit=evidence.card(metric.key).unit,
        better=evidence.card(metric.key).better,
        mean=mean,
        interval=interval,
        interval_covers=covers,
        n=len(listed),
        values=listed,
        normalised=_normalised(evidence, metric, mean),
        source="estimated" if formula else evidence.source(ids) if ids else None,
        failures=sum(run.status == "failed" for run in runs),
        run_ids=ids,
        split_off=[run.id for run in evidence.alike(row.id, metric.key).split_off],
        flags=evidence.flags(row.id, metric.key),
        missing=None if listed else _why_missing(evidence, row, metric.key),
        at_least=sum(bound.values()) / len(bound) if bound else None,
        notes=_notes(evidence, metric, behind, formula),
        formula=formula,
    )


def _notes(evidence: StudyEvidence, metric: type[Metric], runs: Sequence[Run], formula: str | None) -> list[str]:
    """What quality and time of runs that trained together are."""
    if formula is not None:
        return [tr("Steps to the target times the seconds of a step in the probe, for its runs trained together.")]
    told = "" if metric.exact or evidence.purpose_of(metric.key) == "probe" else together_note(runs)
    return [told] if told else []


def _interval(
    evidence: StudyEvidence, row: Configuration, metric: type[Metric], values: list[float]
) -> tuple[tuple[float, float] | None, IntervalCovers | None]:
    """Student's over seeds; of a single run Wilson's over test items where it is a counted share, else none."""
    if metric.exact or not values:
        return None, None
    if len(values) > 1:
        return t_interval(values), "seeds"
    items = evidence.counted_items(row.id, metric.key)
    return (wilson(values[0] * items, items), "test items") if items else (None, None)


def _why_missing(evidence: StudyEvidence, row: Configuration, metric: str) -> str:
    if metric == TIME_TO_TARGET and (why := why_no_time(evidence, row)):
        return why
    runs = evidence.measuring(row.id, metric)
    for run in runs:
        measured = evidence.measured.get(run.id, {}).get(metric)
        if run.status == "succeeded" and measured is not None:
            return tr(str(measured.detail.get("missing", NO_VALUE)))
    failed = [run for run in runs if run.status == "failed"]
    if failed:
        return tr("failed: {reason}", reason=failed[0].reason)
    if any(run.status == "running" for run in runs):
        return tr("being measured")
    if any(run.status == "queued" for run in runs):
        return tr("not measured yet")
    return tr("cancelled") if runs else tr("no run measures it")


def _normalised(evidence: StudyEvidence, metric: type[Metric], mean: float | None) -> float | None:
    """The fixed-anchor score, None where it is undefined: no reference row, or a gain that is not clear of noise."""
    if mean is None:
        return None
    if metric.key == QUALITY:
        scale = evidence.quality_scale
        return quality_score(sign(evidence.task) * mean, scale) if scale else None
    if metric.anchors is None:
        return None
    if isinstance(metric.anchors, LinearAnchors):
        return linear_score(mean, metric.anchors)
    reference = list(evidence.values(evidence.reference.id, metric.key).values()) if evidence.reference else []
    if not reference or sum(reference) == 0:
        return None
    full = sum(reference) / len(reference)
    return ratio_score(mean, full, metric.anchors, higher_is_better=metric.better == "higher")
