"""Which value of a hyper-parameter a study speaks for: quality, parameters and speed against it."""

from collections.abc import Sequence
from typing import Literal

from pydantic import JsonValue
from sqlalchemy import Engine

from app.db.session import team_session
from app.db.tables import Configuration
from app.language import tr
from app.schemas import (
    NeighbourView,
    Number,
    NumberQuantity,
    Part,
    QualityDifference,
    Sentence,
    SweepPoint,
    SweepPreset,
    Sweeps,
    SweepView,
)
from app.services.callers import Caller
from app.services.cell_numbers import CellNumbers
from app.services.differences import difference_view
from app.services.evidence import StudyEvidence
from app.services.kept_evidence import kept_evidence
from app.services.numbers import label, number, paragraph, sentence, text
from app.services.studies import read_study
from peft_core.compare.recommend import QUALITY
from peft_core.compare.significance import Compared, Pair, compare_pair
from peft_core.compare.statistics import holm
from peft_core.compare.sweep import (
    PARAMETER_WEIGHT,
    QUALITY_WEIGHT,
    SHARE_OF_GAIN,
    Listed,
    Sweep,
    SweptValue,
    best_place,
    find_sweeps,
    least_kept,
    neighbours,
    score,
)
from peft_core.errors import UnknownName
from peft_core.method import build_method, method_class
from peft_core.preset import presets
from peft_core.task import sign

Figure = Literal["quality", "parameters", "speed"]
FIGURES: dict[Figure, str] = {
    "quality": QUALITY,
    "parameters": "trainable_parameters",
    "speed": "training_speed",
}
"""What a sweep shows against its hyper-parameter, by the metric that it is."""

QUALITY_SHARE = Number(value=QUALITY_WEIGHT, quantity="score", statistic="weight", formula="sweep_weight(part quality)")
PARAMETER_SHARE = Number(
    value=PARAMETER_WEIGHT, quantity="score", statistic="weight", formula="sweep_weight(part parameters)"
)
GAIN_SHARE = Number(value=SHARE_OF_GAIN, quantity="probability", statistic="share", formula="share_of_gain")


def sweeps(engine: Engine, caller: Caller, study_id: int) -> Sweeps:
    """Every sweep of a study, or which preset would make one. Raises NotFound."""
    with team_session(engine, caller.team_id) as session:
        kept = kept_evidence(session, read_study(session, study_id))
    return kept.answer("sweeps", lambda: _sweeps(kept.evidence))


def _sweeps(evidence: StudyEvidence) -> Sweeps:
    found = study_sweeps(evidence)
    offered = [] if found else _presets([row.method for row in evidence.configurations])
    return Sweeps(
        study=evidence.study.id,
        rule={"quality_weight": QUALITY_SHARE, "parameter_weight": PARAMETER_SHARE, "share_of_gain": GAIN_SHARE},
        metrics={figure: evidence.card(name) for figure, name in FIGURES.items()},
        sweeps=found,
        sentence=[] if found else _none(offered),
        presets=offered,
    )


def study_sweeps(evidence: StudyEvidence) -> list[SweepView]:
    """Every sweep of a study that has been read."""
    listed = [Listed(row.id, row.method, _in_form_order(row)) for row in evidence.configurations]
    return [_Swept(evidence, sweep).document() for sweep in find_sweeps(listed)]


def _in_form_order(row: Configuration) -> dict[str, JsonValue]:
    """The hyper-parameters as the method's form lists them: what comes first there is what a sweep is over."""
    try:
        order = list(method_class(row.method).model_fields)
    except UnknownName:
        order = []
    known = {name: row.hyperparameters[name] for name in order if name in row.hyperparameters}
    return {**known, **row.hyperparameters}


def _presets(methods: Sequence[str]) -> list[SweepPreset]:
    """The presets that are one sweep; those of a method that the study has, where there is one."""
    found = []
    for key, preset in presets().items():
        rows = preset.rows()
        built = [build_method(row.method, row.hyperparameters).model_dump(mode="json") for row in rows]
        made = find_sweeps(
            [Listed(k, row.method, values) for k, (row, values) in enumerate(zip(rows, built, strict=True))]
        )
        if len(made) == 1 and len(made[0].keys) == len(rows):
            found.append(
                SweepPreset(key=key, title=tr(preset.title), summary=tr(preset.summary), method=made[0].method)
            )
    return [preset for preset in found if preset.method in methods] or found


def _none(offered: Sequence[SweepPreset]) -> Sentence:
    titles = tr(" or ").join(tr("“{title}”", title=preset.title) for preset in offered)
    return sentence(
        "No method of this study is listed with several values of one hyper-parameter, all else equal. Start a new"
        " study with the preset {presets}.",
        presets=titles,
    )


class _Swept:
    """One sweep of one study, put into a document."""

    def __init__(self, evidence: StudyEvidence, sweep: Sweep) -> None:
        self._evidence, self._sweep = evidence, sweep
        self._cells = CellNumbers(evidence)
        by_id = {row.id: row for row in evidence.configurations}
        self._rows = [by_id[key] for key in sweep.keys]
        # The line and the composite are of full fine-tuning; what stands in for it elsewhere does not here.
        scale = evidence.full_scale
        self._scale = scale if scale is not None and scale.defined else None
        self._scores = [self._score(row) for row in self._rows]

    def document(self) -> SweepView:
        first = self._rows[0]
        best = best_place([found.composite for found in self._scores])
        beside = [] if best is None else self._neighbours(best)
        points = [self._point(place) for place in range(len(self._rows))]
        enough = next((point.configuration for point in points if point.keeps_enough), None)
        return SweepView(
            method=first.method,
            title=_title(first.method),
            family=first.family,
            parameter=self._sweep.parameter,
            parameter_title=_parameter_title(first.method, self._sweep.parameter),
            in_proportion=list(self._sweep.in_proportion),
            fixed=dict(self._sweep.fixed),
            points=points,
            line=self._line(),
            best=None if best is None else self._rows[best].id,
            neighbours=beside,
            separable=self._separable(best, beside),
            least_enough=enough,
            sentence=self._sentence(best, beside, enough),
        )

    # -- points ------------------------------------------------------------------------------------------------------

    def _mean(self, row: Configuration | None, figure: Figure) -> float | None:
        found = self._number(row, figure) if row is not None else None
        return None if found is None else found.value

    def _number(self, row: Configuration, figure: Figure) -> Number | None:
        name = FIGURES[figure]
        return self._cells.mean(row, name) if name in self._evidence.metric_keys else None

    def _score(self, row: Configuration) -> SweptValue:
        quality = self._mean(row, "quality")
        signed = None if quality is None else sign(self._evidence.task) * quality
        return score(signed, self._mean(row, "parameters"), self._scale, self._mean(self._evidence.full, "parameters"))

    def _point(self, place: int) -> SweepPoint:
        row, scored = self._rows[place], self._scores[place]
        numbers, missing = self._figures(row)
        numbers |= self._score_numbers(row, scored)
        quality = self._mean(row, "quality")
        enough = None
        if quality is not None and self._scale is not None:
            enough = sign(self._evidence.task) * quality >= least_kept(self._scale)
        return SweepPoint(
            configuration=row.id,
            label=tr(row.label),
            value=self._sweep.values[place],
            quality=quality,
            parameters=self._mean(row, "parameters"),
            speed=self._mean(row, "speed"),
            composite=scored.composite,
            keeps_enough=enough,
            numbers=numbers,
            missing=missing,
        )

    def _figures(self, row: Configuration) -> tuple[dict[str, Number], dict[str, str]]:
        numbers: dict[str, Number] = {}
        missing: dict[str, str] = {}
        for figure, name in FIGURES.items():
            found = self._number(row, figure)
            if found is None:
                known = name in self._evidence.metric_keys
                missing[figure] = self._cells.missing(row, name) if known else tr("the study does not measure it")
                continue
            numbers[figure] = found
            interval = self._cells.interval(row, name)
            if interval is not None:
                numbers[f"{figure}_lo"], numbers[f"{figure}_hi"] = interval
        return numbers, missing

    def _score_numbers(self, row: Configuration, scored: SweptValue) -> dict[str, Number]:
        found = {}
        for name, figure, value in (
            ("quality_score", "quality", scored.quality),
            ("parameter_score", "parameters", scored.parameters),
        ):
            source = self._number(row, figure)  # type: ignore[arg-type]
            reference = self._number(self._evidence.full, figure) if self._evidence.full else None  # type: ignore[arg-type]
            if value is not None and source is not None:
                changes = {
                    "value": value,
                    "quantity": "score",
                    "statistic": "normalised",
                    "reference_run_ids": reference.run_ids if reference else [],
                }
                found[name] = source.model_copy(update=changes)
        if scored.composite is not None:
            runs = sorted({run for number in found.values() for run in number.run_ids})
            source_kind = found["quality_score"].source
            formula = f"sweep_composite(study {self._evidence.study.id}, configuration {row.id})"
            found["composite"] = Number(
                value=scored.composite,
                quantity="score",
                statistic="composite",
                source=source_kind,
                run_ids=runs,
                formula=formula,
            )
        return found

    def _line(self) -> Number | None:
        if self._scale is None:
            return None
        return Number(
            value=sign(self._evidence.task) * least_kept(self._scale),
            quantity=self._evidence.card(QUALITY).quantity,
            statistic="least_kept",
            formula=f"least_kept(study {self._evidence.study.id})",
        )

    # -- the best and its neighbours ---------------------------------------------------------------------------------

    def _neighbours(self, best: int) -> list[NeighbourView]:
        """The best against the next value on either side, corrected together."""
        places = neighbours(best, self._sweep.values)
        pairs = [(place, pair) for place in places if (pair := self._paired(best, place)) is not None]
        corrected = holm([pair.difference.p_value for _, pair in pairs])
        return [
            self._neighbour(place, difference_view(self._evidence, Compared(pair, found)))
            for (place, pair), found in zip(pairs, corrected, strict=True)
        ]

    def _paired(self, best: int, other: int) -> Pair | None:
        """The difference by the rule that every other comparison follows; None where the two cannot be tested."""
        first, second = (self._evidence.candidate(self._rows[place]) for place in (best, other))
        return compare_pair(first, second) if QUALITY in first.values and QUALITY in second.values else None

    def _neighbour(self, place: int, found: QualityDifference) -> NeighbourView:
        def figure(value: float, statistic: str, quantity: NumberQuantity = found.quantity) -> Number:
            ids = {"run_ids": found.run_ids, "reference_run_ids": found.reference_run_ids}
            return Number(value=value, quantity=quantity, statistic=statistic, metric=QUALITY, **ids)

        return NeighbourView(
            configuration=self._rows[place].id,
            difference=figure(found.value, "difference"),
            interval=(figure(found.interval[0], "neighbour_lo"), figure(found.interval[1], "neighbour_hi")),
            p_value=figure(found.p_value, "neighbour_p_value", "p_value"),
            verdict=found.verdict,
            covers=found.covers,
        )

    def _separable(self, best: int | None, beside: Sequence[NeighbourView]) -> bool | None:
        """Whether a difference to every neighbour is shown; None where one of them cannot be tested."""
        if best is None or len(beside) < len(neighbours(best, self._sweep.values)):
            return None
        return all(view.verdict != "tie" for view in beside)

    # -- words -------------------------------------------------------------------------------------------------------

    def _sentence(self, best: int | None, beside: Sequence[NeighbourView], enough: int | None) -> Sentence:
        if best is None:
            return [text(self._why_no_best())]
        composite = self._score_numbers(self._rows[best], self._scores[best])["composite"]
        largest = sentence(
            "{method} has the largest composite of quality and size, {composite}.",
            method=label(self._rows[best]),
            composite=number(composite),
        )
        return paragraph(largest, *self._against(best, beside), self._enough(enough))

    def _why_no_best(self) -> str:
        if self._scale is None:
            return tr(
                "There is no best value: quality has no scale without an untuned row and full fine-tuning that clearly"
                " beats it. Run both."
            )
        return tr("There is no best value yet: no row has both its quality and its trainable parameters measured.")

    def _against(self, best: int, beside: Sequence[NeighbourView]) -> list[Sentence]:
        labels = {row.id: label(row) for row in self._rows}
        told = [_beside(view, labels[view.configuration]) for view in beside]
        if self._separable(best, beside) is None:
            told.append(
                sentence("Its quality cannot be tested against every neighbour: the test items are not at hand.")
            )
        return told

    def _enough(self, enough: int | None) -> Sentence:
        if enough is None:
            return sentence("None keeps {share} of full fine-tuning's gain.", share=number(GAIN_SHARE))
        row = next(row for row in self._rows if row.id == enough)
        return sentence(
            "The smallest that keeps {share} of full fine-tuning's gain is {method}.",
            share=number(GAIN_SHARE),
            method=label(row),
        )


def _beside(view: NeighbourView, name: Part) -> Sentence:
    """The best against one of its neighbours."""
    if view.verdict == "tie":
        return sentence("No difference in quality to {neighbour} is shown.", neighbour=name)
    gap = [number(view.difference)]
    if view.difference.quantity == "points":
        gap = sentence("{difference} points", difference=number(view.difference))
    if view.verdict == "better":
        return sentence("Its quality is better than that of {neighbour} by {gap} (shown).", neighbour=name, gap=gap)
    return sentence("Its quality is worse than that of {neighbour} by {gap} (shown).", neighbour=name, gap=gap)


def _title(method: str) -> str:
    """The catalogue's name of a method; an imported one that it does not have keeps its own."""
    try:
        return tr(method_class(method).title)
    except UnknownName:
        return method


def _parameter_title(method: str, parameter: str) -> str:
    try:
        found = method_class(method).model_fields.get(parameter)
    except UnknownName:
        found = None
    return tr(found.title) if found and found.title else parameter.replace("_", " ")
