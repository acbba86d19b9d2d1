"""A scenario applied to a study's evidence, told in sentences whose numbers name their runs."""

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import Engine

from app.db.session import team_session
from app.db.tables import Configuration
from app.errors import Invalid
from app.schemas import (
    Change,
    Number,
    Part,
    RankedCandidate,
    Recommendation,
    RecommendationRequest,
    Sentence,
    Vetoed,
)
from app.services.callers import Caller
from app.services.evidence import StudyEvidence, read_evidence
from app.services.numbers import label, mean, mean_number, ratio, text
from app.services.studies import read_study
from peft_core.compare.recommend import CRITERIA, QUALITY, Answer, Question, Ranked, Veto
from peft_core.compare.recommend import recommend as answer
from peft_core.errors import UnknownName
from peft_core.metric import metrics
from peft_core.scenario import Criterion, Scenario, scenario
from peft_core.task import sign

CRITERION_NAMES: dict[Criterion, str] = {
    "footprint": "parameters and storage",
    "training_speed": "training speed",
    "inference": "inference",
    "quality": "quality",
    "memory": "peak memory",
    "simplicity": "simplicity",
}

CAUSES = {
    "references": (
        "Quality has no scale yet: full fine-tuning and the untuned row must both be measured. Run them and ask again."
    ),
    "gain": (
        "Full fine-tuning does not clearly beat the untuned row here, so there is no gain to share out. "
        "Train longer or on more data, then ask again."
    ),
    "candidates": (
        "No measured method meets what must hold. Loosen a constraint or the quality floor, or measure more methods."
    ),
    "weights": "Every criterion with a weight is without a measurement. Give weight to another.",
}
"""Why there is not enough evidence, and what to do next."""


def recommend(engine: Engine, caller: Caller, request: RecommendationRequest) -> Recommendation:
    """The answer for a scenario or for weights of one's own, from one study. Raises NotFound, Invalid."""
    chosen = _scenario(request.scenario)
    weights = _weights(request, chosen)
    with team_session(engine, caller.team_id) as session:
        evidence = read_evidence(session, read_study(session, request.study))
    question = Question(weights=weights, constraints=request.constraints, quality_floor=request.quality_floor)
    found = answer(evidence.as_evidence, question)
    return _Told(evidence, request, chosen, question, found).recommendation()


def _scenario(name: str | None) -> type[Scenario] | None:
    if name is None:
        return None
    try:
        return scenario(name)
    except UnknownName as error:
        raise Invalid(str(error), field="scenario") from None


def _weights(request: RecommendationRequest, chosen: type[Scenario] | None) -> Mapping[Criterion, float]:
    weights = request.weights if request.weights is not None else chosen.weights if chosen else None
    if weights is None:
        raise Invalid("Name a scenario or give weights of your own.", field="weights")
    if sum(weights.values()) <= 0:
        raise Invalid("At least one criterion needs a weight above 0.", field="weights")
    return weights


class _Told:
    """An answer put into words."""

    def __init__(
        self,
        evidence: StudyEvidence,
        request: RecommendationRequest,
        chosen: type[Scenario] | None,
        question: Question,
        found: Answer,
    ) -> None:
        self._evidence, self._request, self._chosen = evidence, request, chosen
        self._question, self._found = question, found
        self._rows = {row.id: row for row in evidence.configurations}

    def recommendation(self) -> Recommendation:
        """The whole answer."""
        found = self._found
        picks = [row.key for row in found.ranked[: 2 if found.verdict == "no clear winner" else 1]]
        return Recommendation(
            study=self._request.study,
            scenario=self._request.scenario,
            verdict=found.verdict,
            pick=picks[0] if picks else None,
            picks=picks,
            headline=" or ".join(self._rows[key].label for key in picks) or "Not enough evidence",
            reason=self._reason(),
            ranked=[self._candidate(row) for row in found.ranked],
            vetoed=[self._vetoed(veto) for veto in found.vetoed] + self._unlearned(),
            left_out=[self._left_out(key, metric) for key, metric in found.left_out],
            dropped_criteria={
                name: f"{metrics()[metric].title} is not measured for every method here"
                for name, metric in found.dropped.items()
            },
            weights=dict(found.weights),
            changes=self._changes(),
            textbook_pick=self._chosen.textbook_pick if self._chosen else None,
            draws=self._question.draws,
            seed=self._question.seed,
        )

    def _number(self, value: float, statistic: str, quantity: str) -> Number:
        formula = (
            f"recommendation(study {self._request.study}, draws {self._question.draws}, seed {self._question.seed})"
        )
        return Number(value=value, quantity=quantity, statistic=statistic, formula=formula)

    def _candidate(self, ranked: Ranked) -> RankedCandidate:
        row = self._rows[ranked.key]
        shown = [metric for name in self._found.weights for metric in CRITERIA[name]]
        return RankedCandidate(
            configuration=row.id,
            label=row.label,
            family=row.family,
            on_front=ranked.on_front,
            score=self._number(ranked.score, "score", "score"),
            p_best=self._number(ranked.p_best, "p_best", "probability"),
            p_top2=self._number(ranked.p_top2, "p_top2", "probability"),
            rank_interval=ranked.rank_interval,
            values={
                metric: mean_number(self._evidence, row, metric)
                for metric in dict.fromkeys([QUALITY, *shown])
                if self._evidence.values(row.id, metric)
            },
        )

    def _reason(self) -> Sentence:
        found = self._found
        if found.cause is not None:
            return [text(CAUSES[found.cause])]
        first = self._rows[found.ranked[0].key]
        if len(found.ranked) == 1:
            return [label(first), text(" is the only method that meets what must hold: "), *self._raw(first), text(".")]
        second = self._rows[found.ranked[1].key]
        words: Sentence = [label(first), text(" has "), *self._raw(first), text("; "), label(second), text(" has ")]
        words += [*self._raw(second), text(".")]
        return words + self._against_full(first)

    def _heaviest(self) -> list[str]:
        """The metrics that weigh most, quality first: what a reason speaks of."""
        order = sorted(self._found.weights, key=lambda name: -self._found.weights[name])
        shown = [CRITERIA[name][-1] for name in order if name != "quality"]
        return [QUALITY, *shown[:2]]

    def _raw(self, row: Configuration) -> Sentence:
        words: Sentence = []
        for metric in self._heaviest():
            if not self._evidence.values(row.id, metric):
                continue
            words += [text(", ")] if words else []
            words += [mean(self._evidence, row, metric), text(f" {SPOKEN[metric]}")]
        return words

    def _against_full(self, row: Configuration) -> Sentence:
        full = self._evidence.full
        if full is None or row is full or not self._evidence.values(full.id, "storage_bytes"):
            return []
        words: Sentence = [text(" Full fine-tuning scores "), mean(self._evidence, full, QUALITY)]
        words += [
            text(" and stores "),
            ratio(self._evidence, row, full, "storage_bytes"),
            text(" as much as "),
            label(row),
        ]
        return [*words, text(".")]

    def _vetoed(self, veto: Veto) -> Vetoed:
        row = self._rows[veto.key]
        what = metrics()[veto.metric].title.lower() if veto.metric in metrics() else "training time"
        if veto.value is None:
            return self._ruled_out(row, [text(f"no {what} is measured to hold against the limit")])
        measured = veto.metric in metrics() and self._evidence.values(row.id, veto.metric)
        value = mean(self._evidence, row, veto.metric) if measured else Part(number=self._seconds(veto.value))
        quantity = self._evidence.card(veto.metric).quantity if veto.metric in metrics() else "seconds"
        direction = sign(self._evidence.task) if veto.metric == QUALITY else 1.0
        limit = Part(number=self._number(direction * veto.limit, "limit", quantity))
        relation = " does not reach the " if veto.metric == QUALITY else " is above the limit "
        floor = "floor " if veto.metric == QUALITY else ""
        return self._ruled_out(row, [value, text(f" {SPOKEN.get(veto.metric, what)}{relation}{floor}"), limit])

    def _seconds(self, value: float) -> Number:
        return self._number(value, "train_seconds", "seconds")

    def _ruled_out(self, row: Configuration, reason: Sentence) -> Vetoed:
        return Vetoed(configuration=row.id, label=row.label, family=row.family, reason=reason)

    def _unlearned(self) -> list[Vetoed]:
        rows = [row for row in self._rows.values() if row is not self._evidence.untuned]
        reason = "did not learn: every learning rate of its grid stayed at the untuned floor"
        return [self._ruled_out(row, [text(reason)]) for row in rows if not self._evidence.shown_to_learn(row)]

    def _left_out(self, key: int, metric: str) -> Vetoed:
        return self._ruled_out(self._rows[key], [text(f"{metrics()[metric].title.lower()} is not measured")])

    def _changes(self) -> list[Change]:
        """Edits of the question, one at a time, that are worth a look: the heaviest weights, the floor, the limits."""
        if not self._found.ranked:
            return []
        question = self._question
        edits: list[tuple[Sentence, Question]] = []
        for name in sorted(self._found.weights, key=lambda name: -self._found.weights[name])[:3]:
            doubled = dict(question.weights) | {name: 2 * question.weights[name]}
            edits.append(([text(f"Double the weight of {CRITERION_NAMES[name]}")], replace(question, weights=doubled)))
        lower = max(0.0, question.quality_floor - 0.05)
        kept = Part(number=self._number(lower, "quality_floor", "fraction"))
        edits.append(
            ([text("Keep "), kept, text(" of full fine-tuning's gain")], replace(question, quality_floor=lower))
        )
        for constraint in question.constraints:
            others = {name: limit for name, limit in question.constraints.items() if name != constraint}
            words = [text(f"Drop the limit on {constraint.replace('_', ' ')}")]
            edits.append((words, replace(question, constraints=others)))
        return [change for words, edit in edits if (change := self._change(words, edit)) is not None]

    def _change(self, words: Sentence, question: Question) -> Change | None:
        found = answer(self._evidence.as_evidence, question)
        if not found.ranked:
            return None
        first = found.ranked[0]
        return Change(
            change=words,
            pick=self._rows[first.key].label,
            p_best=self._number(first.p_best, "p_best_changed", "probability"),
        )


SPOKEN = {
    QUALITY: "on the task",
    "trainable_parameters": "trainable parameters",
    "storage_bytes": "of storage",
    "training_speed": "tokens a second in training",
    "inference_latency": "an answer",
    "inference_latency_p95": "for its slow answers",
    "peak_memory": "of peak memory",
    "simplicity": "simplicity",
}
"""How a metric's value is spoken of after its number."""
