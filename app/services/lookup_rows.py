"""The methods of a looked-up case: measured in the study of it, or carried over from others."""

from collections.abc import Mapping, Sequence
from typing import Literal

from app.db.tables import Configuration
from app.language import tr
from app.schemas import LookupFigure, LookupRow, Number, NumberQuantity, Sentence
from app.services.cell_numbers import CellNumbers
from app.services.lookup_absolutes import TRAIN_SECONDS, Absolutes
from app.services.lookup_cases import CaseStudy
from app.services.numbers import number, sentence
from peft_core.compare.carried_ranking import natural
from peft_core.compare.lookup import Estimate
from peft_core.compare.recommend import LIMITS, QUALITY
from peft_core.metric import LinearAnchors, metrics
from peft_core.scenario import ConstraintName

SPEED = "training_speed"
Scale = Literal["ratio", "share of gain", "value"]


def lookup_number(
    value: float,
    quantity: NumberQuantity,
    statistic: str,
    given: str,
    runs: Sequence[int] = (),
    *,
    estimated: bool = True,
) -> Number:
    """A number of a lookup, by its formula."""
    return Number(
        value=value,
        quantity=quantity,
        statistic=statistic,
        source="estimated" if estimated else "measured",
        run_ids=list(runs),
        formula=f"lookup({given})",
    )


class CarriedRows:
    """The rows of the nearest studies with what each is expected to be in the case."""

    def __init__(
        self, estimates: Mapping[tuple[str, str], Estimate], nearest: Sequence[CaseStudy], absolutes: Absolutes
    ) -> None:
        self._estimates, self._absolutes = estimates, absolutes
        self._studies = {study.id: study for study in nearest}

    def rows(self) -> dict[str, LookupRow]:
        """By the name that a configuration has in every study."""
        names = dict.fromkeys(name for name, _ in self._estimates)
        return {name: self._row(name) for name in names}

    def _row(self, name: str) -> LookupRow:
        having = [study for study in self._studies.values() if name in study.rows]
        newest = max(having, key=lambda study: study.id).rows[name]
        figures = {metric: self._figure(name, metric) for known, metric in self._estimates if known == name}
        if SPEED in figures and TRAIN_SECONDS in self._absolutes.values:
            figures[TRAIN_SECONDS] = self._duration(name)
        return LookupRow(
            method=newest.method,
            label=tr(newest.label),
            family=newest.family,
            hyperparameters=newest.hyperparameters,
            studies=sorted(study.id for study in having),
            configurations=sorted(study.rows[name].id for study in having),
            figures=figures,
        )

    def _figure(self, name: str, metric: str) -> LookupFigure:
        estimate = self._estimates[name, metric]
        ends = estimate.interval()
        value = natural(metric, estimate.value)
        interval = None if ends is None else (natural(metric, ends[0]), natural(metric, ends[1]))
        return self._built(name, metric, value, interval)

    def _duration(self, name: str) -> LookupFigure:
        """Equal steps take as much less time as training is faster."""
        speed = self._figure(name, SPEED)
        turned = None if speed.interval is None else (1 / speed.interval[1].value, 1 / speed.interval[0].value)
        return self._built(name, TRAIN_SECONDS, 1 / speed.value.value, turned, of=SPEED)

    def _built(
        self, name: str, metric: str, value: float, interval: tuple[float, float] | None, of: str | None = None
    ) -> LookupFigure:
        scale = scale_of(metric)
        runs = self._runs(name, of or metric)
        given = f"metric {metric}, studies {' '.join(str(study) for study in self._told(name, of or metric))}"
        quantity: NumberQuantity = _quantity(metric) if scale == "value" else "ratio"
        quantity = "fraction" if scale == "share of gain" else quantity
        full = self._absolutes.values.get(metric) if scale == "ratio" else None
        return LookupFigure(
            scale=scale,
            value=lookup_number(value, quantity, "carried", given, runs),
            interval=None
            if interval is None
            else (
                lookup_number(interval[0], quantity, "carried_lo", given, runs),
                lookup_number(interval[1], quantity, "carried_hi", given, runs),
            ),
            absolute=None if full is None else lookup_number(full * value, _quantity(metric), "absolute", given, runs),
            absolute_interval=None
            if full is None or interval is None
            else (
                lookup_number(full * interval[0], _quantity(metric), "absolute_lo", given, runs),
                lookup_number(full * interval[1], _quantity(metric), "absolute_hi", given, runs),
            ),
        )

    def _told(self, name: str, metric: str) -> tuple[int, ...]:
        return self._estimates[name, metric].studies

    def _runs(self, name: str, metric: str) -> list[int]:
        """The runs of the row and of full fine-tuning in every study that the figure comes from."""
        found: set[int] = set()
        for study in (self._studies[key] for key in self._told(name, metric)):
            for row in (study.rows[name], study.full):
                found |= study.evidence.values(row.id, metric).keys()
        return sorted(found)


class MeasuredRows:
    """The rows of the study that has the very case."""

    def __init__(self, study: CaseStudy) -> None:
        self._study, self._cells = study, CellNumbers(study.evidence)

    def rows(self) -> dict[str, LookupRow]:
        """By the name that a configuration has in every study."""
        return {name: self._row(row) for name, row in self._study.rows.items()}

    def _row(self, row: Configuration) -> LookupRow:
        keys = [key for key in self._study.evidence.metric_keys if metrics()[key].anchors or key == QUALITY]
        figures = {key: figure for key in keys if (figure := self._figure(row, key)) is not None}
        return LookupRow(
            method=row.method,
            label=tr(row.label),
            family=row.family,
            hyperparameters=row.hyperparameters,
            studies=[self._study.id],
            configurations=[row.id],
            figures=figures,
        )

    def _figure(self, row: Configuration, metric: str) -> LookupFigure | None:
        mean = self._cells.mean(row, metric)
        value = None if mean is None else self._value(row, metric, mean)
        if mean is None or value is None:
            return None
        interval = self._cells.interval(row, metric)
        return LookupFigure(
            scale=scale_of(metric), value=value, interval=None, absolute=mean, absolute_interval=interval
        )

    def _value(self, row: Configuration, metric: str, mean: Number) -> Number | None:
        scale, reference = scale_of(metric), self._cells.mean(self._study.full, metric)
        if scale == "value":
            return mean
        if scale == "share of gain":
            carried = self._study.known.figures.get((self._name(row), QUALITY))
            given = f"metric {metric}, study {self._study.id}, configuration {row.id}"
            return None if carried is None else self._share(carried.value, given, mean, reference)
        if reference is None or not reference.value:
            return None
        changes = {"value": mean.value / reference.value, "quantity": "ratio", "statistic": "ratio"}
        return mean.model_copy(update={**changes, "reference_run_ids": reference.run_ids})

    def _share(self, value: float, given: str, mean: Number, reference: Number | None) -> Number:
        runs = sorted({*mean.run_ids, *(reference.run_ids if reference else [])})
        return lookup_number(value, "fraction", "share_of_gain", given, runs, estimated=False)

    def _name(self, row: Configuration) -> str:
        return next(name for name, other in self._study.rows.items() if other is row)


def scale_of(metric: str) -> Scale:
    """On what scale a metric's figures are read."""
    if metric == QUALITY:
        return "share of gain"
    carried_as_is = metric in metrics() and isinstance(metrics()[metric].anchors, LinearAnchors)
    return "value" if carried_as_is else "ratio"


def _quantity(metric: str) -> NumberQuantity:
    return "seconds" if metric == TRAIN_SECONDS else metrics()[metric].quantity


# -- what rules a carried row out --------------------------------------------------------------------------------------


def ruled_out(
    row: LookupRow,
    constraints: Mapping[ConstraintName, float],
    quality_floor: float,
    unchecked: Sequence[ConstraintName],
) -> Sentence | None:
    """Why an estimated row is no choice; None where it is one."""
    quality = row.figures.get(QUALITY)
    if quality is None:
        return sentence("no share of full fine-tuning's gain could be carried over")
    for name, limit in constraints.items():
        if name in unchecked:
            continue
        over = _over(row, name, limit)
        if over is not None:
            return over
    if quality.value.value < quality_floor:
        floor = lookup_number(quality_floor, "fraction", "quality_floor", "quality_floor", estimated=False)
        return sentence(
            "{share} of full fine-tuning's gain is below the floor {floor}",
            share=number(quality.value),
            floor=number(floor),
        )
    return None


def _over(row: LookupRow, name: ConstraintName, limit: float) -> Sentence | None:
    figure = row.figures.get(LIMITS[name])
    words = tr(metrics()[LIMITS[name]].title).lower() if LIMITS[name] in metrics() else tr("training time")
    if figure is None or figure.absolute is None:
        return sentence("no {metric} is known to hold against the limit", metric=words)
    if figure.absolute.value <= limit:
        return None
    given = lookup_number(limit, figure.absolute.quantity, "limit", f"constraint {name}", estimated=False)
    return sentence(
        "{value} of {metric} is above the limit {limit}",
        value=number(figure.absolute),
        metric=words,
        limit=number(given),
    )


def cannot_check(rows: Sequence[LookupRow], constraints: Mapping[ConstraintName, float]) -> list[ConstraintName]:
    """The constraints that no row has a figure for; how far a score is from the best is one of them."""
    found: list[ConstraintName] = []
    for name in constraints:
        figures = [row.figures.get(LIMITS.get(name, "")) for row in rows]
        if not any(figure is not None and figure.absolute is not None for figure in figures):
            found.append(name)
    return found
