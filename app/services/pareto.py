"""Which configurations of a study nothing else beats in two or three metrics at once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import get_args

from sqlalchemy import Engine

from app.db.session import team_session
from app.db.tables import Configuration
from app.errors import Invalid
from app.language import tr
from app.schemas import Axis, Number, OffTheFront, Pareto, ParetoAxis, ParetoPoint, Part, Sentence
from app.services.callers import Caller
from app.services.cell_numbers import CellNumbers
from app.services.evidence import StudyEvidence
from app.services.kept_evidence import kept_evidence
from app.services.numbers import label, listed, number, sentence
from app.services.reasons import stands_in
from app.services.studies import read_study
from peft_core.compare.recommend import QUALITY, Candidate
from peft_core.compare.trade_off import DRAWS, Traded, TradeOff, trade_off
from peft_core.metric import metrics
from peft_core.task import sign

SEED = 0
AXES: tuple[Axis, ...] = get_args(Axis)


def pareto(engine: Engine, caller: Caller, study_id: int, names: Mapping[Axis, str], floor: float | None) -> Pareto:
    """The front of a study over the metrics named for x, y and perhaps z.

    Raises NotFound, and Invalid for a metric that is unknown, not part of the study or named twice, and for a floor
    where quality has no scale.
    """
    with team_session(engine, caller.team_id) as session:
        kept = kept_evidence(session, read_study(session, study_id))
    _check_metrics(kept.evidence, names)
    return kept.answer(f"front {dict(names)} {floor}", lambda: _Front(kept.evidence, names, floor).document())


def _check_metrics(evidence: StudyEvidence, names: Mapping[Axis, str]) -> None:
    for axis, name in names.items():
        if name not in metrics():
            raise Invalid(
                tr(
                    "There is no metric named {name!r}. This study has: {metric_keys}.",
                    name=name[:100],
                    metric_keys=", ".join(evidence.metric_keys),
                ),
                field=axis,
            )
        if name not in evidence.metric_keys:
            raise Invalid(
                tr(
                    "{metric} is not a metric of this study. It has: {metric_keys}.",
                    metric=tr(metrics()[name].title),
                    metric_keys=", ".join(evidence.metric_keys),
                ),
                field=axis,
            )
        earlier = [other for other in AXES[: AXES.index(axis)] if names.get(other) == name]
        if earlier:
            raise Invalid(
                tr(
                    "{earlier} and {axis} name the same metric. Choose another for one of them.",
                    earlier=earlier[0],
                    axis=axis,
                ),
                field=axis,
            )


class _Front:
    """One study's trade-off, put into a document."""

    def __init__(self, evidence: StudyEvidence, names: Mapping[Axis, str], floor: float | None) -> None:
        self._evidence, self._names, self._floor = evidence, dict(names), floor
        self._cells = CellNumbers(evidence)
        self._rows = {row.id: row for row in evidence.configurations}
        self._candidates = {row.key: self._with_derived(row) for row in evidence.as_evidence.candidates}

    def _with_derived(self, candidate: Candidate) -> Candidate:
        """Metrics that only runs together give are no part of a Candidate."""
        row = self._rows[candidate.key]
        found = {name: tuple(self._evidence.values(row.id, name).values()) for name in self._names.values()}
        derived = {name: values for name, values in found.items() if values and name not in candidate.values}
        return replace(candidate, values={**candidate.values, **derived})

    def document(self) -> Pareto:
        least = self._least_quality()
        names = list(self._names.values())
        found = trade_off(list(self._candidates.values()), names, least_quality=least, draws=DRAWS, seed=SEED)
        return Pareto(
            study=self._evidence.study.id,
            axes={axis: self._axis(name) for axis, name in self._names.items()},
            floor=self._floor,
            least_quality=None if least is None else self._floor_number(least),
            points=[self._point(row) for row in found.traded],
            left_out=self._left_out(found, least),
            notes=[] if least is None else self._footing(),
            draws=DRAWS,
            seed=SEED,
        )

    def _least_quality(self) -> float | None:
        """The floor on the candidates' scale, on which quality is always better when higher."""
        if self._floor is None:
            return None
        scale = self._evidence.quality_scale
        if scale is None:
            raise Invalid(
                tr(
                    "A quality floor is a share of the gain of full fine-tuning (or of a LoRA row that stands in for"
                    " it) over the untuned row, and one of the two is not measured. Run it, or ask without a floor."
                ),
                field="floor",
            )
        if not scale.defined:
            raise Invalid(
                tr(
                    "Full fine-tuning does not clearly beat the untuned row here, so there is no gain to keep a share"
                    " of. Ask without a floor, or train longer."
                ),
                field="floor",
            )
        return scale.floor + self._floor * (scale.full - scale.floor)

    def _footing(self) -> list[Sentence]:
        """What stands in for full fine-tuning and for the untuned row, where something does."""
        evidence, notes = self._evidence, []
        if evidence.reference is not None and evidence.reference is not evidence.full:
            notes.append(stands_in(label(evidence.reference), evidence.why_not_full))
        if evidence.assumed_floor is not None:
            notes.append(
                sentence("Assumed floor: there is no untuned row, so gains are counted from the chance level.")
            )
        return notes

    def _axis(self, name: str) -> ParetoAxis:
        return ParetoAxis(**self._evidence.card(name).model_dump(), covers=self._covers(name))

    def _covers(self, name: str) -> str | None:
        """What is drawn of a metric: the spread over seeds where there are several, test items for quality."""
        rows = self._candidates.values()
        parts = ["seeds"] if any(len(set(row.values.get(name, ()))) > 1 for row in rows) else []
        if name == QUALITY and any(row.item_scores is not None or row.counted_items for row in rows):
            parts.append("test items")
        return " and ".join(parts) or None

    def _point(self, traded: Traded) -> ParetoPoint:
        row = self._rows[traded.key]
        numbers = self._numbers(row)
        return ParetoPoint(
            configuration=row.id,
            method=row.method,
            label=tr(row.label),
            family=row.family,
            **{axis: numbers[axis].value for axis in self._names},
            on_front=traded.on_front,
            front_share=traded.front_share,
            dominated_by=list(traded.dominated_by),
            equal_to=list(traded.equal_to),
            numbers={**numbers, "front_share": self._share(traded, numbers)},
        )

    def _numbers(self, row: Configuration) -> dict[str, Number]:
        found: dict[str, Number] = {}
        for axis, name in self._names.items():
            mean, interval = self._cells.mean(row, name), self._cells.interval(row, name)
            assert mean is not None, "what lacks a value is no point"
            found[axis] = mean
            if interval is not None:
                found[f"{axis}_lo"], found[f"{axis}_hi"] = interval
        return found

    def _share(self, traded: Traded, numbers: Mapping[str, Number]) -> Number:
        runs = sorted({run for entry in numbers.values() for run in entry.run_ids})
        asked = f"configuration {traded.key}"
        return self._by_formula(traded.front_share, "front_share", "probability", numbers["x"].source, runs, asked)

    def _floor_number(self, least: float) -> Number:
        quantity = self._evidence.card(QUALITY).quantity
        return self._by_formula(sign(self._evidence.task) * least, "least_quality", quantity, "measured", [])

    def _by_formula(
        self, value: float, statistic: str, quantity: str, source: str, runs: list[int], *of: str
    ) -> Number:
        """of: further arguments of the formula."""
        asked = [f"study {self._evidence.study.id}", *(f"{axis} {name}" for axis, name in self._names.items()), *of]
        asked += [] if self._floor is None else [f"floor {self._floor}"]
        given = ", ".join([*asked, f"draws {DRAWS}", f"seed {SEED}"])
        return Number(
            value=value,
            quantity=quantity,
            statistic=statistic,
            source=source,
            run_ids=runs,
            formula=f"pareto({given})",
        )

    def _left_out(self, found: TradeOff, least: float | None) -> list[OffTheFront]:
        """Everything of the study that is no point: nothing disappears."""
        lacking: dict[int, list[str]] = {}
        for key, name in found.lacking:
            lacking.setdefault(key, []).append(name)
        told = [self._off(key, self._why_lacking(key, names)) for key, names in lacking.items()]
        if least is not None:
            limit = number(self._floor_number(least))
            told += [self._off(key, self._why_below(key, limit)) for key, _ in found.below_floor]
        points = {row.key for row in found.traded} | {entry.configuration for entry in told}
        return told + [self._off(key, self._why_no_choice(key)) for key in self._rows if key not in points]

    def _off(self, key: int, reason: Sentence) -> OffTheFront:
        row = self._rows[key]
        return OffTheFront(configuration=key, method=row.method, label=tr(row.label), family=row.family, reason=reason)

    def _why_lacking(self, key: int, names: Sequence[str]) -> Sentence:
        row, card = self._rows[key], self._evidence.card
        told = [
            sentence("no {metric}: {why}", metric=card(name).title.lower(), why=self._cells.missing(row, name))
            for name in names
        ]
        return listed(told, tr("; "))

    def _why_below(self, key: int, limit: Part) -> Sentence:
        quality = self._cells.mean(self._rows[key], QUALITY)
        assert quality is not None, "what has no quality is listed as lacking it"
        return sentence("{figure} does not reach the floor {limit}", figure=number(quality), limit=limit)

    def _why_no_choice(self, key: int) -> Sentence:
        if self._rows[key] is self._evidence.untuned:
            return sentence("trains nothing: gains are measured from it, and it is never a choice")
        return sentence("did not learn: every learning rate of its grid stayed at the untuned floor")
