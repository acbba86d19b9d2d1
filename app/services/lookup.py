"""Which method fits a case that may not have been measured: the study of it, or what the nearest studies say."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Engine

from app.db.session import team_session
from app.db.tables import Study
from app.errors import Invalid
from app.language import mark, tr
from app.schemas import (
    Lookup,
    LookupCase,
    LookupRequest,
    LookupRow,
    NearStudy,
    OutsideView,
    Part,
    Recommendation,
    RecommendationRequest,
    RunNext,
    Sentence,
    UnusedStudy,
)
from app.services.base_models import find_base_model
from app.services.callers import Caller
from app.services.lookup_absolutes import Absolutes, full_absolutes
from app.services.lookup_cases import CaseStudy, read_case_studies
from app.services.lookup_rows import CarriedRows, MeasuredRows, cannot_check, lookup_number, ruled_out
from app.services.numbers import listed, number, sentence
from app.services.recommendations import recommend
from app.settings import Settings
from peft_core.compare.carried_ranking import CarriedRanking, rank_carried
from peft_core.compare.lookup import REFERENCE, Case, Near, Outside, look_up
from peft_core.compare.lookup import Lookup as Found
from peft_core.compare.recommend import CRITERIA, LEAN, Question, Verdict
from peft_core.errors import InvalidBaseModel, UnknownName
from peft_core.metric import metrics
from peft_core.model_config import InvalidConfig, read_config, read_config_of
from peft_core.model_shape import ModelShape
from peft_core.preset import presets
from peft_core.scenario import Criterion, scenario
from peft_core.task import task_kind

REFERENCES = ["untuned", "head_only", "full"]
FIRST_METHODS = "chapter_five"
"""The preset whose methods answer a case that nothing is known of."""

SIZES = {
    "parameters": mark("parameters of the base model"),
    "train_items": mark("training items"),
    "length": mark("tokens of an item"),
}
ARCHITECTURES = {
    "encoder": mark("encoder"),
    "decoder": mark("decoder"),
    "encoder-decoder": mark("encoder-decoder"),
}


def look_up_case(engine: Engine, settings: Settings, caller: Caller, request: LookupRequest) -> Lookup:
    """Measured, estimated with intervals, or refused with what to run. Raises Invalid naming the wrong field."""
    case = _case(settings, request)
    weights = _weights(request)
    absolutes = full_absolutes(engine, settings, caller, request)
    with team_session(engine, caller.team_id) as session:
        studies, unused = read_case_studies(session, request.task_kind)
        answer = _Answer(request, case, studies, unused)
        if answer.found.exact is None:
            return answer.estimated(absolutes, weights) if answer.found.estimates else answer.refused(absolutes)
    asked = None if weights is None else recommend(engine, caller, _of_study(request, answer.found.exact, weights))
    return answer.measured(asked)


def _case(settings: Settings, request: LookupRequest) -> Case:
    try:
        task_kind(request.task_kind)
    except UnknownName as error:
        raise Invalid(str(error), field="task_kind") from None
    if request.architecture is not None and request.parameters is not None:
        architecture, parameters = request.architecture, request.parameters
    else:
        shape = _shape(settings, request)
        architecture, parameters = shape.architecture, shape.parameters
    return Case(
        architecture=architecture,
        task_kind=request.task_kind,
        device=request.device,
        parameters=float(parameters),
        train_items=float(request.train_items),
        length=float(request.budget.max_length),
    )


def _shape(settings: Settings, request: LookupRequest) -> ModelShape:
    if request.config is not None:
        try:
            return read_config(request.config)[0]
        except InvalidConfig as error:
            raise Invalid(str(error), field=f"model_config.{error.field}") from None
    assert request.base_model is not None, "the request names its base in one way"
    try:
        return read_config_of(find_base_model(settings, request.base_model).folder)[0]
    except InvalidBaseModel as error:
        raise Invalid(str(error), field="base_model") from None


def _weights(request: LookupRequest) -> Mapping[Criterion, float] | None:
    """The request's own, its scenario's, or None: then nothing is ranked."""
    if request.weights is not None:
        if sum(request.weights.values()) <= 0:
            raise Invalid(tr("At least one criterion needs a weight above 0."), field="weights")
        return request.weights
    if request.scenario is None:
        return None
    try:
        return scenario(request.scenario).weights
    except UnknownName as error:
        raise Invalid(str(error), field="scenario") from None


def _of_study(request: LookupRequest, study: int, weights: Mapping[Criterion, float]) -> RecommendationRequest:
    return RecommendationRequest(
        study=study,
        scenario=request.scenario,
        weights=dict(weights),
        constraints=request.constraints,
        quality_floor=request.quality_floor,
    )


class _Answer:
    """What the studies say of a case, put into a document."""

    def __init__(
        self,
        request: LookupRequest,
        case: Case,
        studies: Sequence[CaseStudy],
        unused: Sequence[tuple[Study, str]],
    ) -> None:
        self._request, self._case, self._unused = request, case, unused
        self._studies = {study.id: study for study in studies}
        self.found: Found = look_up(case, [study.known for study in studies])

    # -- the three answers -------------------------------------------------------------------------------------------

    def measured(self, asked: Recommendation | None) -> Lookup:
        """The study of this very case, ranked by its own recommendation."""
        assert self.found.exact is not None
        study = self._studies[self.found.exact]
        rows = list(MeasuredRows(study).rows().values())
        label = sentence("Measured in {study}.", study=Part(label=study.evidence.study.name))
        if asked is None:
            return self._document("measured", label, rows)
        return self._document(
            "measured",
            label,
            _ranked_as(rows, asked),
            verdict=asked.verdict,
            picks=[row.label for key in asked.picks for row in rows if key in row.configurations],
            weights=asked.weights,
            dropped_criteria=asked.dropped_criteria,
        )

    def estimated(self, absolutes: Absolutes, weights: Mapping[Criterion, float] | None) -> Lookup:
        """Ratios of the nearest studies, times what full fine-tuning costs here."""
        nearest = [self._studies[near.study] for near in self.found.nearest]
        rows = CarriedRows(self.found.estimates, nearest, absolutes).rows()
        unchecked = cannot_check(list(rows.values()), self._request.constraints)
        for row in rows.values():
            row.ruled_out = ruled_out(row, self._request.constraints, self._request.quality_floor, unchecked)
        choices = [name for name, row in rows.items() if row.ruled_out is None]
        ranking = CarriedRanking()
        if weights is not None:
            floor = self._request.quality_floor
            criteria = {**CRITERIA, **(scenario(self._request.scenario).criteria if self._request.scenario else {})}
            ranking = rank_carried(self.found.estimates, choices, weights, quality_floor=floor, criteria=criteria)
        return self._document(
            "estimated",
            self._estimated_from(),
            _ranked(rows, ranking),
            verdict=None if weights is None else _verdict(ranking),
            picks=[rows[row.name].label for row in ranking.ranked[: 1 if _verdict(ranking) == "lean" else 2]],
            weights=dict(ranking.weights),
            dropped_criteria={
                name: tr("{metric} could not be carried over for every method", metric=tr(metrics()[metric].title))
                for name, metric in ranking.dropped.items()
                if weights is not None and weights.get(name, 0) > 0
            },
            unchecked=unchecked,
            how=absolutes.how,
            run_next=self._run_next([rows[name].method for name in choices if name != REFERENCE] or _first_methods()),
        )

    def refused(self, absolutes: Absolutes) -> Lookup:
        """No study can speak for the case: what to run."""
        run_next = self._run_next(_first_methods())
        return self._document("refused", self._why_refused(), [], how=absolutes.how, run_next=run_next)

    def _document(self, basis: str, label: Sentence, rows: list[LookupRow], **answer: Any) -> Lookup:
        return Lookup(
            basis=basis,
            label=label,
            case=_case_view(self._case),
            nearest=[self._near(near) for near in self.found.nearest],
            matching=self.found.matching,
            outside=[OutsideView(**vars(outside)) for outside in self.found.outside],
            rows=rows,
            unused=[UnusedStudy(study=study.id, name=study.name, reason=why) for study, why in self._unused],
            **answer,
        )

    # -- words -------------------------------------------------------------------------------------------------------

    def _near(self, near: Near) -> NearStudy:
        study = self._studies[near.study]
        return NearStudy(
            study=near.study,
            name=study.evidence.study.name,
            distance=lookup_number(near.distance, "score", "distance", f"study {near.study}", estimated=False),
            case=_case_view(study.case),
        )

    def _estimated_from(self) -> Sentence:
        studies = listed([_at_distance(self._near(near)) for near in self.found.nearest])
        if len(self.found.nearest) < 2:
            return sentence(
                "Not measured – estimated from {study}, one study alone: how far its ratios carry over is not known.",
                study=studies,
            )
        return sentence("Not measured – estimated from {studies}.", studies=studies)

    def _why_refused(self) -> Sentence:
        if not self.found.matching:
            return sentence(
                "Not measured, and no study speaks for it: none that has full fine-tuning is about {kind} on a base"
                " model of the {architecture} family. Run one, and cases near it can be looked up.",
                kind=tr(task_kind(self._case.task_kind).title).lower(),
                architecture=tr(ARCHITECTURES.get(self._case.architecture, self._case.architecture)),
            )
        return sentence(
            "Not measured, and too far from what was: {sizes}. Ratios are not carried over further than three times."
            " Run this case.",
            sizes=listed([_beyond(outside) for outside in self.found.outside], tr("; ")),
        )

    def _run_next(self, methods: Sequence[str]) -> RunNext:
        request = self._request
        return RunNext(
            base_model=request.base_model,
            task_kind=request.task_kind,
            train_items=request.train_items,
            budget=request.budget,
            device=request.device,
            methods=list(dict.fromkeys(methods)),
            references=REFERENCES,
        )


def _first_methods() -> list[str]:
    return [row.method for row in presets()[FIRST_METHODS].rows()]


def _case_view(case: Case) -> LookupCase:
    return LookupCase(
        architecture=case.architecture,
        task_kind=case.task_kind,
        device=case.device,
        parameters=case.parameters,
        train_items=case.train_items,
        max_length=case.length,
    )


def _at_distance(near: NearStudy) -> Sentence:
    return sentence("{study} (distance {distance})", study=Part(label=near.name), distance=number(near.distance))


def _beyond(outside: Outside) -> Sentence:
    """ "3.2 B parameters of the base model, where 22.7 M to 135 M were measured" """
    asked, lo, hi = (
        number(lookup_number(value, "count", statistic, f"size {outside.dimension}", estimated=False))
        for value, statistic in ((outside.asked, "asked"), (outside.lo, "smallest"), (outside.hi, "largest"))
    )
    told: dict[str, Part | str] = {"asked": asked, "size": tr(SIZES[outside.dimension]), "lo": lo}
    if outside.hi > outside.lo:
        return sentence("{asked} {size}, where {lo} to {hi} were measured", hi=hi, **told)
    return sentence("{asked} {size}, where {lo} were measured", **told)


def _verdict(ranking: CarriedRanking) -> Verdict:
    """Never "clear": nothing of it was measured."""
    if not ranking.ranked:
        return "not enough evidence"
    first = ranking.ranked[0].p_best
    return "lean" if first is not None and first >= LEAN else "no clear winner"


def _ranked(rows: Mapping[str, LookupRow], ranking: CarriedRanking) -> list[LookupRow]:
    """By score, then what was not ranked, then what is ruled out."""
    given = f"draws {Question.draws}, seed {Question.seed}"
    order = []
    for found in ranking.ranked:
        row = rows[found.name]
        row.score = lookup_number(found.score, "score", "score", given)
        row.p_best = None if found.p_best is None else lookup_number(found.p_best, "probability", "p_best", given)
        order.append(row)
    others = [row for row in rows.values() if row.score is None]
    return order + sorted(others, key=lambda row: row.ruled_out is not None)


def _ranked_as(rows: Sequence[LookupRow], asked: Recommendation) -> list[LookupRow]:
    """The rows as the recommendation of their study has them."""
    by_configuration = {row.configurations[0]: row for row in rows}
    order = []
    for found in asked.ranked:
        row = by_configuration.pop(found.configuration)
        row.score, row.p_best = found.score, found.p_best
        order.append(row)
    for out in [*asked.vetoed, *asked.left_out]:
        if out.configuration in by_configuration:
            by_configuration[out.configuration].ruled_out = out.reason
    return order + list(by_configuration.values())
