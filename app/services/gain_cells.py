"""What a study says of one method, and of two against each other, in shares of full fine-tuning's gain."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from app.db.tables import Configuration
from app.schemas import Cell, ComparedStudy, GainCell, Number
from app.services.cells import quality_cell
from app.services.compared_studies import Comparable
from app.services.numbers import mean_number
from peft_core.compare.normalise import QUALITY, quality_score
from peft_core.compare.significance import COVERS, Pair, compare_pair
from peft_core.task import sign

DIFFERENCE = "gain_difference"


def compared_study(study: Comparable) -> ComparedStudy:
    """The study with the ends of its scale."""
    evidence = study.evidence
    document, origin = evidence.study.document, evidence.study.origin
    reports = [run for run in evidence.finished if run.purpose == "report"]
    return ComparedStudy(
        id=study.id,
        name=evidence.study.name,
        task=str(evidence.study.task["name"]),
        base_model=str(document["base_model"]),
        headline=evidence.task.headline,
        better=evidence.task.better,
        quantity=evidence.task.quantity,
        source=evidence.source([run.id for run in reports]),
        single_seed=len({run.seed for run in reports}) < 2,
        approved=study.approved,
        label=origin["label"] if origin else None,
        floor=_floor(study),
        assumed_floor=evidence.assumed_floor is not None,
        full=mean_number(evidence, study.full, QUALITY),
    )


def _floor(study: Comparable) -> Number:
    """What untuned scores, or the chance level of the task where nobody has measured it."""
    untuned = study.evidence.untuned
    if untuned is not None and study.evidence.values(untuned.id, QUALITY):
        return mean_number(study.evidence, untuned, QUALITY)
    value = sign(study.evidence.task) * study.scale.floor
    formula = f"chance_level(study {study.id})"
    return Number(value=value, quantity=study.evidence.task.quantity, statistic="chance_level", formula=formula)


def row_of(study: Comparable, method: str) -> Configuration:
    """What stands for a method that the study has a result of."""
    row = study.chosen(method).row
    assert row is not None, "asked only of methods that the study has"
    return row


def gain_cell(study: Comparable, method: str) -> GainCell:
    """A cell of the matrix; without a value it says why."""
    chosen = study.chosen(method)
    row = chosen.row
    if row is None:
        return GainCell(study=study.id, method=method, variants=chosen.variants, missing=chosen.missing)
    cell, raw = quality_cell(study.evidence, row), mean_number(study.evidence, row, QUALITY)
    return GainCell(
        study=study.id,
        method=method,
        configuration=row.id,
        label=row.label,
        variants=chosen.variants,
        chosen_on_validation=chosen.on_validation,
        share=_of_full(study, row, study.mean_share(method), "gain_share"),
        interval=_share_interval(study, row, cell),
        covers=cell.interval_covers,
        raw=raw,
        score=quality_score(sign(study.evidence.task) * raw.value, study.scale),
        n=cell.n,
    )


def _share_interval(study: Comparable, row: Configuration, cell: Cell) -> tuple[Number, Number] | None:
    if cell.interval is None:
        return None
    lo, hi = sorted(study.share(end) for end in cell.interval)
    return _of_full(study, row, lo, "gain_share_lo"), _of_full(study, row, hi, "gain_share_hi")


def _of_full(study: Comparable, row: Configuration, value: float, statistic: str) -> Number:
    runs, reference = ([*study.evidence.values(one.id, QUALITY)] for one in (row, study.full))
    return Number(
        value=value,
        quantity="fraction",
        statistic=statistic,
        metric=QUALITY,
        source=study.evidence.source([*runs, *reference]),
        run_ids=runs,
        reference_run_ids=reference,
    )


@dataclass(frozen=True)
class GainDifference:
    """Two methods in one study: the first's quality minus the second's, as a share of full fine-tuning's gain."""

    study: Comparable
    first: Configuration
    second: Configuration

    @cached_property
    def pair(self) -> Pair | None:
        """The test that their evidence allows, by the one rule of `peft_core.compare.significance`."""
        evidence = self.study.evidence
        return compare_pair(evidence.candidate(self.first), evidence.candidate(self.second))

    @property
    def value(self) -> float:
        """Over the seeds that both have, where they pair."""
        if self.pair is not None:
            return self.pair.difference.value / self.study.gain
        return self.study.mean_share(self.first.method) - self.study.mean_share(self.second.method)

    @property
    def number(self) -> Number:
        return self._number(self.value, DIFFERENCE)

    @property
    def interval(self) -> tuple[Number, Number] | None:
        """95 %, of this pair alone; None where nothing says how noisy it is."""
        if self.pair is None:
            return None
        lo, hi = (end / self.study.gain for end in self.pair.difference.interval())
        return self._number(lo, f"{DIFFERENCE}_lo"), self._number(hi, f"{DIFFERENCE}_hi")

    @property
    def covers(self) -> str | None:
        return COVERS[self.pair.rule] if self.pair else None

    @property
    def p_first(self) -> float | None:
        """The share of draws in which the first is better, ties by halves; None where nothing varies."""
        drawn = self.study.drawn_shares((self.first.method, self.second.method))
        above, equal = drawn[:, 0] > drawn[:, 1], drawn[:, 0] == drawn[:, 1]
        return float(above.mean() + equal.mean() / 2) if len(drawn) > 1 else None

    def _number(self, value: float, statistic: str) -> Number:
        runs, reference = self._runs(self.first), self._runs(self.second)
        return Number(
            value=value,
            quantity="points",
            statistic=statistic,
            metric=QUALITY,
            source=self.study.evidence.source([*runs, *reference]),
            run_ids=runs,
            reference_run_ids=reference,
        )

    def _runs(self, row: Configuration) -> Sequence[int]:
        seeds = self.pair.seeds if self.pair else ()
        if not seeds:
            return list(self.study.evidence.values(row.id, QUALITY))
        scores = self.study.evidence.item_scores(row.id)
        return [scores[seed][0] for seed in seeds]
