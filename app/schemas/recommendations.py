"""Which method fits."""

from typing import Annotated, Literal

from pydantic import Field

from app.schemas.document import Document
from app.schemas.numbers import Number, Sentence
from app.schemas.studies import StudyDocument
from peft_core.method import Family
from peft_core.scenario import ConstraintName, Criterion


class RecommendationRequest(Document):
    """A scenario or weights of one's own, constraints, and the study that is the evidence."""

    study: Annotated[int, Field(ge=1, le=2**63 - 1, strict=True)]
    scenario: str | None = None
    weights: dict[Criterion, Annotated[float, Field(ge=0, le=1, strict=True)]] | None = None
    constraints: dict[ConstraintName, Annotated[float, Field(ge=0, strict=True)]] = {}
    quality_floor: Annotated[float, Field(ge=0, le=1, strict=True)] = 0.95
    """Share of full fine-tuning's gain over untuned that a method must keep."""


Verdict = Literal["clear", "lean", "no clear winner", "not enough evidence"]


class RankedCandidate(Document):
    configuration: int
    label: str
    family: Family
    on_front: bool
    score: Number
    p_best: Number
    p_top2: Number
    rank_interval: tuple[int, int]
    values: dict[str, Number]
    """Raw means by metric key."""


class Vetoed(Document):
    configuration: int
    label: str
    family: Family
    reason: Sentence
    p_best: Number | None = None
    """Of a method that only quality rules out: the share of draws in which it is good enough after all, and best."""


class Change(Document):
    """One edit of the question, or one more seed, and the pick it would give."""

    change: Sentence
    kind: Literal["weight", "floor", "limit", "seeds"] = "weight"
    configuration: int | None = None
    pick: str
    p_best: Number
    verdict: Verdict | None = None


class Recommendation(Document):
    """POST recommendations. Where there is not enough evidence, `reason` says what to run next and `next_study` is it.

    clear: the pick beats its runner-up in 97.5 % of the draws, and where quality decides between them the test of
    GET studies/{id}/significance separates the two. lean: the pick is best in 80 %.
    """

    study: int
    scenario: str | None
    verdict: Verdict
    pick: int | None
    """The highest expected score; there is one unless there is not enough evidence."""
    picks: list[int]
    """One configuration, or the two of "no clear winner"; the second may be one that only quality ruled out."""
    headline: str
    reason: Sentence
    ranked: list[RankedCandidate]
    vetoed: list[Vetoed]
    left_out: list[Vetoed]
    """Not ranked for want of a measurement."""
    dropped_criteria: dict[Criterion, str]
    """Criteria that could not be used, with the reason; their weight went to the others."""
    weights: dict[Criterion, float]
    """As used, rescaled to sum to 1."""
    dropped_metrics: dict[str, str] = {}
    """Metrics that some compared method or the reference lacks, with the reason: left out for all."""
    runner_up: int | None = None
    """Whom the verdict was taken against; one that quality ruled out where nothing else is left."""
    beats_runner_up: Number | None = None
    seed_variance: Literal["measured", "unknown"] = "measured"
    """unknown: of some ranked method there is one seed, so its probabilities hold the noise of test items alone."""
    reference: int | None = None
    """What scores refer to."""
    notes: list[Sentence] = []
    """What the answer rests on: a stand-in for full fine-tuning, an assumed floor, single seeds."""
    next_study: StudyDocument | None = None
    """What to run next, filled in, where it would help."""
    changes: list[Change]
    textbook_pick: str | None
    draws: int
    seed: int
