"""A scenario applied to a study's evidence, told in sentences whose numbers name their runs."""

from collections.abc import Mapping

from sqlalchemy import Engine

from app.db.session import team_session
from app.db.tables import Configuration
from app.errors import Invalid
from app.language import tr
from app.schemas import Change, Part, RankedCandidate, Recommendation, RecommendationRequest, Sentence
from app.services.callers import Caller
from app.services.evidence import StudyEvidence
from app.services.kept_evidence import kept_evidence
from app.services.next_studies import next_study
from app.services.numbers import mean_number, sentence
from app.services.reasons import CRITERION_NAMES, LIMIT_NAMES, Reasons, dropped
from app.services.studies import read_study
from peft_core.compare import changes
from peft_core.compare.recommend import CRITERIA, QUALITY, Answer, Question, Ranked
from peft_core.compare.recommend import recommend as answer
from peft_core.errors import UnknownName
from peft_core.scenario import Criterion, Scenario, scenario


def recommend(engine: Engine, caller: Caller, request: RecommendationRequest) -> Recommendation:
    """The answer for a scenario or for weights of one's own, from one study. Raises NotFound, Invalid."""
    chosen = _scenario(request.scenario)
    question = _question(request, chosen)
    with team_session(engine, caller.team_id) as session:
        kept = kept_evidence(session, read_study(session, request.study))
    return kept.answer(request.model_dump_json(), lambda: _answer(kept.evidence, request, chosen, question))


def _answer(
    evidence: StudyEvidence, request: RecommendationRequest, chosen: type[Scenario] | None, question: Question
) -> Recommendation:
    return _told(evidence, request, chosen, question, answer(evidence.as_evidence, question))


def _scenario(name: str | None) -> type[Scenario] | None:
    if name is None:
        return None
    try:
        return scenario(name)
    except UnknownName as error:
        raise Invalid(str(error), field="scenario") from None


def _question(request: RecommendationRequest, chosen: type[Scenario] | None) -> Question:
    return Question(
        weights=_weights(request, chosen),
        constraints=request.constraints,
        quality_floor=request.quality_floor,
        criteria=CRITERIA | (chosen.criteria if chosen else {}),
    )


def _weights(request: RecommendationRequest, chosen: type[Scenario] | None) -> Mapping[Criterion, float]:
    weights = request.weights if request.weights is not None else chosen.weights if chosen else None
    if weights is None:
        raise Invalid(tr("Name a scenario or give weights of your own."), field="weights")
    if sum(weights.values()) <= 0:
        raise Invalid(tr("At least one criterion needs a weight above 0."), field="weights")
    return weights


def _told(
    evidence: StudyEvidence,
    request: RecommendationRequest,
    chosen: type[Scenario] | None,
    question: Question,
    found: Answer,
) -> Recommendation:
    """An answer put into words."""
    reasons = Reasons(evidence, question, found)
    rows = {row.id: row for row in evidence.configurations}
    picks = [row.key for row in found.ranked[:1]]
    if found.verdict == "no clear winner" and found.rival is not None:
        picks.append(found.rival)
    dropped_criteria, dropped_metrics = dropped(found)
    beats = found.beats_rival
    return Recommendation(
        study=request.study,
        scenario=request.scenario,
        verdict=found.verdict,
        pick=picks[0] if picks else None,
        picks=picks,
        headline=_headline([tr(rows[key].label) for key in picks]),
        reason=reasons.reason(),
        ranked=[_candidate(evidence, reasons, found, rows[row.key], row) for row in found.ranked],
        vetoed=reasons.vetoed(),
        left_out=reasons.left_out(),
        dropped_criteria=dropped_criteria,
        dropped_metrics=dropped_metrics,
        weights=dict(found.weights),
        changes=_changes(evidence, reasons, question, found),
        textbook_pick=chosen.textbook_pick if chosen else None,
        runner_up=found.rival,
        beats_runner_up=None if beats is None else reasons.number(beats, "beats_runner_up", "probability"),
        seed_variance="unknown" if found.single_seed else "measured",
        reference=evidence.reference.id if evidence.reference else None,
        notes=reasons.notes(),
        next_study=next_study(evidence, found),
        draws=question.draws,
        seed=question.seed,
    )


def _headline(picks: list[str]) -> str:
    if not picks:
        return tr("Not enough evidence")
    return tr("{first} or {second}", first=picks[0], second=picks[1]) if len(picks) == 2 else picks[0]


def _candidate(
    evidence: StudyEvidence, reasons: Reasons, found: Answer, row: Configuration, ranked: Ranked
) -> RankedCandidate:
    shown = [metric for keys in found.metrics.values() for metric in keys]
    return RankedCandidate(
        configuration=row.id,
        label=tr(row.label),
        family=row.family,
        on_front=ranked.on_front,
        score=reasons.number(ranked.score, "score", "score"),
        p_best=reasons.number(ranked.p_best, "p_best", "probability"),
        p_top2=reasons.number(ranked.p_top2, "p_top2", "probability"),
        rank_interval=ranked.rank_interval,
        values={
            metric: mean_number(evidence, row, metric)
            for metric in dict.fromkeys([QUALITY, *shown])
            if evidence.values(row.id, metric)
        },
    )


def _changes(evidence: StudyEvidence, reasons: Reasons, question: Question, found: Answer) -> list[Change]:
    """What would change the answer, one edit at a time."""
    labels = {row.id: tr(row.label) for row in evidence.configurations}
    return [
        Change(
            change=_edit(reasons, question, change),
            kind=change.kind,
            configuration=change.outlook.pick,
            pick=labels[change.outlook.pick],
            p_best=reasons.number(change.outlook.p_best, "p_best_changed", "probability"),
            verdict=change.outlook.verdict,
        )
        for change in changes.changes(evidence.as_evidence, question, found)
    ]


def _edit(reasons: Reasons, question: Question, change: changes.Change) -> Sentence:
    if change.criterion is not None and change.value is not None:
        before, after = question.weights[change.criterion], change.value
        numbers = [Part(number=reasons.number(weight, "weight", "score")) for weight in (before, after)]
        return sentence(
            "The weight of {criterion} from {before} to {after}",
            criterion=tr(CRITERION_NAMES[change.criterion]),
            before=numbers[0],
            after=numbers[1],
        )
    if change.kind == "floor" and change.value is not None:
        floor = Part(number=reasons.number(change.value, "quality_floor", "fraction"))
        return sentence("Keep {share} of the reference's gain", share=floor)
    if change.constraint is not None:
        return sentence("Drop the limit on {what}", what=tr(LIMIT_NAMES[change.constraint]))
    return sentence("One more seed of every method, with the same means and spreads")
