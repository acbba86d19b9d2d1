"""The textbook's selection guide with its leaves derived from evidence."""

from typing import Literal

from app.schemas.document import Document
from app.schemas.numbers import Number, Sentence
from peft_core.method import Family
from peft_core.scenario import ConstraintName, Criterion


class GuideQuestionView(Document):
    """A question; `yes` and `no` are keys of questions or leaves. limit: what a number can be given for."""

    key: str
    text: str
    yes: str
    no: str
    limit: ConstraintName | None


class PathStep(Document):
    question: str
    answer: bool


class TextbookLeaf(Document):
    """What the textbook names here, beside what was measured and never mixed with it.

    agreement: of the method alone. "undecided": it is what the pick is not clearly better than; "not measured": no
    study has it. range_agrees: whether most picks of the textbook's own method lie in its range of `parameter`.
    """

    title: str
    method: str
    parameter: str | None
    lo: float | None
    hi: float | None
    agreement: Literal["agrees", "same family", "undecided", "differs", "not measured"] | None
    values: list[float]
    range_agrees: bool | None


class StudyPick(Document):
    """What one study answers on this path. verdict "not enough evidence": `reason` says what is wanting."""

    study: int
    name: str
    verdict: Literal["clear", "lean", "no clear winner", "not enough evidence"]
    configuration: int | None = None
    method: str | None = None
    label: str | None = None
    family: Family | None = None
    p_best: Number | None = None
    reason: str | None = None


class RunnerUp(Document):
    """The method that comes next. p_best: as a leaf's own."""

    method: str
    title: str
    family: Family
    p_best: Number


class LeafView(Document):
    """One path's case and its answer. p_best: the share of draws, in the mean over the studies that answer, in which a
    configuration of `method` ranks first. studies: how many answer. runner_up None: no other method is ever first."""

    key: str
    path: list[PathStep]
    scenarios: list[str]
    weights: dict[Criterion, float]
    quality_floor: float
    constraints: dict[ConstraintName, float]
    verdict: Literal["clear", "lean", "no clear winner", "not enough evidence"]
    method: str | None
    title: str | None
    family: Family | None
    p_best: Number | None
    runner_up: RunnerUp | None
    studies: int
    picks: list[StudyPick]
    textbook: TextbookLeaf
    sentence: Sentence


class GuideRegret(Document):
    """What following the guide costs in a study left out of it, in scores 0..1, beside always taking one method."""

    guide: Number
    always: Number
    always_method: str
    studies: int
    wins: bool


class SelectionGuide(Document):
    """GET recommendations/tree. regret None: fewer than three studies can be left out; `regret_sentence` says it."""

    study: int | None
    studies: int
    root: str
    questions: list[GuideQuestionView]
    leaves: list[LeafView]
    regret: GuideRegret | None
    regret_sentence: Sentence
    draws: int
    seed: int
