"""The textbook's selection guide, its questions kept and every leaf's answer derived from evidence.

QUESTIONS and LEAVES are the whole tree; what they hold is data. A leaf is asked of each study as a recommendation with
the leaf's weights and limits; `combine` puts the studies' answers together and `regret` says what following them costs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from peft_core.compare.recommend import CRITERIA, LEAN, Answer, Question, Ranked, Verdict, Veto
from peft_core.method import methods
from peft_core.scenario import ConstraintName, Criterion, scenario

LEAST_STUDIES = 3
"""Leaving one study out says something from here on."""

ALWAYS = "lora"
"""What the guide has to beat to be worth its questions."""

Agreement = Literal["agrees", "same family", "undecided", "differs", "not measured"]


@dataclass(frozen=True)
class GuideQuestion:
    """A yes-or-no question. `yes` and `no` name the next question or a leaf; `limit` is what a "yes" may put a number
    to (device memory, bytes for each task)."""

    text: str
    yes: str
    no: str
    limit: ConstraintName | None = None


@dataclass(frozen=True)
class Textbook:
    """What the textbook's own guide names at a leaf: an expectation, never part of the answer."""

    title: str
    method: str
    parameter: str | None = None
    lo: float = 0.0
    hi: float = 0.0


@dataclass(frozen=True)
class Leaf:
    """A path's case: the mean of the weights of `scenarios`, what must be kept of full fine-tuning's gain, and limits.

    Which scenarios a path speaks of, and how much quality it may give up, are opinions, as all weights are.
    """

    scenarios: tuple[str, ...]
    textbook: Textbook
    quality_floor: float = 0.95
    constraints: Mapping[ConstraintName, float] = field(default_factory=dict)

    def weights(self) -> dict[Criterion, float]:
        """The mean of the scenarios' weights."""
        chosen = [scenario(key).weights for key in self.scenarios]
        names = dict.fromkeys(name for weights in chosen for name in weights)
        return {name: sum(weights.get(name, 0.0) for weights in chosen) / len(chosen) for name in names}

    def question(self, limits: Mapping[ConstraintName, float]) -> Question:
        """What a study is asked; `limits` are those that this path put a number to."""
        criteria = dict(CRITERIA)
        for key in self.scenarios:
            criteria |= scenario(key).criteria
        return Question(self.weights(), {**self.constraints, **limits}, self.quality_floor, criteria=criteria)


ROOT = "limited_resources"

QUESTIONS: dict[str, GuideQuestion] = {
    "limited_resources": GuideQuestion(
        "Are resources limited?", yes="high_quality", no="several_tasks", limit="peak_memory_bytes"
    ),
    "high_quality": GuideQuestion(
        "Must quality be high all the same?", yes="limited_and_high_quality", no="limited_otherwise"
    ),
    "several_tasks": GuideQuestion(
        "Are several tasks served from one base model?", yes="many_tasks", no="very_best", limit="storage_bytes"
    ),
    "very_best": GuideQuestion("Must it be the very best score?", yes="top_quality", no="otherwise"),
}

LEAVES: dict[str, Leaf] = {
    "limited_and_high_quality": Leaf(
        ("resource_constrained", "high_performance"), Textbook("LoRA r16-32", "lora", "rank", 16, 32)
    ),
    # Who answers that quality need not be high gives some of it up: a fifth of the gain instead of a twentieth.
    "limited_otherwise": Leaf(
        ("resource_constrained",), Textbook("Prefix Tuning", "prefix_tuning"), quality_floor=0.80
    ),
    "many_tasks": Leaf(("multi_task",), Textbook("Adapter + LoRA", "adapter_lora")),
    "top_quality": Leaf(
        ("high_performance",), Textbook("Full fine-tuning", "full"), constraints={"quality_standard_errors": 1.0}
    ),
    # Neither short of anything nor after the last point: what is left is serving it.
    "otherwise": Leaf(("production",), Textbook("LoRA r32-64", "lora", "rank", 32, 64)),
}


def path_to(leaf: str) -> list[tuple[str, bool]]:
    """The questions on the way from the root to a leaf, with their answers."""
    for key, question in QUESTIONS.items():
        for answer, goal in ((True, question.yes), (False, question.no)):
            if goal == leaf:
                return [*(path_to(key) if key != ROOT else []), (key, answer)]
    raise KeyError(leaf)


def limits_of(leaf: str, given: Mapping[ConstraintName, float]) -> dict[ConstraintName, float]:
    """Of the limits that a person gave, those that this path asks about."""
    named = [QUESTIONS[key].limit for key, answer in path_to(leaf) if answer]
    return {name: given[name] for name in named if name is not None and name in given}


@dataclass(frozen=True)
class StudyAnswer:
    """One study's answer to a leaf. `methods`: the method of every candidate that was asked about, by its key."""

    study: int
    answer: Answer
    methods: Mapping[int, str]

    @property
    def answered(self) -> bool:
        return bool(self.answer.ranked)

    def shares(self) -> dict[str, float]:
        """P(best) by method: the share of draws in which one of its configurations ranks first, those among them that
        only noise may have ruled out."""
        found = dict.fromkeys(self.methods.values(), 0.0)
        judged: list[Ranked | Veto] = [*self.answer.ranked, *self.answer.vetoed]
        for row in judged:
            found[self.methods[row.key]] += row.p_best
        return found

    def utility(self, method: str) -> float | None:
        """The score of a method: the mean over its configurations, a vetoed one's 0; None where none was judged."""
        scores = {row.key: row.score for row in self.answer.ranked} | {veto.key: 0.0 for veto in self.answer.vetoed}
        known = [score for key, score in scores.items() if self.methods.get(key) == method]
        return sum(known) / len(known) if known else None

    @property
    def best(self) -> float:
        return max(row.score for row in self.answer.ranked)


@dataclass(frozen=True)
class Combined:
    """The answer of several studies to one leaf. `shares`: P(best) by method, the mean over the studies that answer,
    the pick first and then from the largest; a method that a study does not have is never first there."""

    verdict: Verdict
    shares: Mapping[str, float]
    studies: int

    @property
    def method(self) -> str | None:
        return next(iter(self.shares), None)


def combine(answers: Sequence[StudyAnswer]) -> Combined:
    """One study keeps its own pick and verdict, but that two rows of one method are close is no doubt about the method;
    several are clear only where every one of them is, on the same method, and otherwise lean or not by the mean of
    P(best)."""
    told = [found for found in answers if found.answered]
    if not told:
        return Combined("not enough evidence", {}, 0)
    shares = _mean_shares(told)
    if len(told) == 1:
        first = [_first(told[0]), *_rival(told[0])]
        own = told[0].answer.verdict
        verdict: Verdict = "lean" if own == "no clear winner" and shares[first[0]] >= LEAN else own
        return Combined(verdict, {name: shares[name] for name in dict.fromkeys([*first, *shares])}, 1)
    method = next(iter(shares))
    clear = all(found.answer.verdict == "clear" and _first(found) == method for found in told)
    verdict = "clear" if clear else "lean" if shares[method] >= LEAN else "no clear winner"
    return Combined(verdict, shares, len(told))


def _first(found: StudyAnswer) -> str:
    return found.methods[found.answer.ranked[0].key]


def _rival(found: StudyAnswer) -> list[str]:
    """The method that the verdict was taken against, where that is another one than the pick's."""
    rival = found.answer.rival
    return [] if rival is None else [found.methods[rival]]


def _mean_shares(told: Sequence[StudyAnswer]) -> dict[str, float]:
    every = [found.shares() for found in told]
    names = sorted({name for shares in every for name in shares})
    means = {name: sum(shares.get(name, 0.0) for shares in every) / len(every) for name in names}
    order = sorted(names, key=lambda name: (-means[name], name))
    return {name: means[name] for name in dict.fromkeys([_pick(told), *order])}


def _pick(told: Sequence[StudyAnswer]) -> str:
    """The method that wins most draws where it is ranked: what studies rule out can be a runner-up, never the pick."""
    won: dict[str, float] = {}
    for found in told:
        for row in found.answer.ranked:
            name = found.methods[row.key]
            won[name] = won.get(name, 0.0) + row.p_best
    return min(won, key=lambda name: (-won[name], name))


def agreement(combined: Combined, textbook: Textbook, measured: frozenset[str]) -> Agreement | None:
    """Whether evidence and textbook name the same method; its hyper-parameters are compared apart from that.

    None without an answer. "not measured": no study has the textbook's method, so nothing speaks against it.
    "undecided": it is the runner-up that the pick is not clearly better than.
    """
    if combined.method is None:
        return None
    if combined.method == textbook.method:
        return "agrees"
    if textbook.method not in measured:
        return "not measured"
    if combined.verdict == "no clear winner" and textbook.method in list(combined.shares)[:2]:
        return "undecided"
    return "same family" if _same_family(combined.method, textbook.method) else "differs"


def _same_family(one: str, other: str) -> bool:
    """References have nothing in common but their name."""
    known = methods()
    if one not in known or other not in known:
        return False
    return known[one].family == known[other].family != "reference"


def within(values: Sequence[float], textbook: Textbook) -> bool | None:
    """Whether most of the picks' values of the textbook's hyper-parameter lie in its range; None without any."""
    if textbook.parameter is None or not values:
        return None
    return 2 * sum(textbook.lo <= value <= textbook.hi for value in values) > len(values)


@dataclass(frozen=True)
class Regret:
    """What following an answer costs in a study that had no part in it: its best score minus the score of the answer,
    0..1, in the mean over `cases` (a leaf in a study)."""

    guide: float
    always: float
    studies: int
    cases: int

    @property
    def wins(self) -> bool:
        return self.guide < self.always


def regret(leaves: Sequence[Sequence[StudyAnswer]]) -> Regret | None:
    """Each study left out in turn: the other studies' pick among the methods that it has, against always the same
    method. None for fewer than three studies that can be left out."""
    costs = [cost for answers in leaves for cost in _left_out(answers)]
    studies = {study for study, _, _ in costs}
    if len(studies) < LEAST_STUDIES:
        return None
    guide = sum(cost for _, cost, _ in costs) / len(costs)
    always = sum(cost for _, _, cost in costs) / len(costs)
    return Regret(guide, always, len(studies), len(costs))


def _left_out(answers: Sequence[StudyAnswer]) -> list[tuple[int, float, float]]:
    """(study, cost of the guide, cost of always the same) of every study that both can be tried in."""
    told = [found for found in answers if found.answered]
    costs = []
    for found in told:
        others = [other for other in told if other is not found]
        always = found.utility(ALWAYS)
        order = _mean_shares(others) if others else {}
        chosen = next((worth for name in order if (worth := found.utility(name)) is not None), None)
        if always is not None and chosen is not None:
            costs.append((found.study, found.best - chosen, found.best - always))
    return costs
