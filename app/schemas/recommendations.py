"""Which method fits."""

from typing import Annotated, Literal

from pydantic import Field

from app.schemas.document import Document
from app.schemas.numbers import Number, Sentence
from peft_core.method import Family
from peft_core.scenario import ConstraintName, Criterion


class RecommendationRequest(Document):
    """A scenario or weights of one's own, constraints, and the study that is the evidence."""

    study: Annotated[int, Field(ge=1, le=2**63 - 1)]
    scenario: str | None = None
    weights: dict[Criterion, Annotated[float, Field(ge=0, le=1)]] | None = None
    constraints: dict[ConstraintName, Annotated[float, Field(ge=0)]] = {}
    quality_floor: Annotated[float, Field(ge=0, le=1)] = 0.95
    """Share of full fine-tuning's gain over untuned that a method must keep."""


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


class Change(Document):
    """One edit of the question and the pick it would give."""

    change: Sentence
    pick: str
    p_best: Number


class Recommendation(Document):
    """POST recommendations. verdict None: not enough evidence, and `reason` says what to run next."""

    study: int
    scenario: str | None
    verdict: Literal["clear", "lean", "no clear winner", "not enough evidence"]
    pick: int | None
    picks: list[int]
    """One configuration, or the two of "no clear winner"."""
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
    changes: list[Change]
    textbook_pick: str | None
    draws: int
    seed: int
