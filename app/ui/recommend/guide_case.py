"""What a person answered to the selection guide's questions, and its place in the page's address."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self, cast

from app.schemas import GuideQuestionView, LeafView, SelectionGuide
from app.ui.recommend.case import joined, pairs
from peft_core.scenario import ConstraintName

LIMITS: tuple[ConstraintName, ...] = ("peak_memory_bytes", "storage_bytes")
"""What a "yes" of the guide can be given a number for."""


@dataclass(frozen=True)
class GuideCase:
    """study None: every study of the team. answers: yes or no by question. constraints: limits in SI units."""

    study: int | None
    answers: Mapping[str, bool]
    constraints: Mapping[ConstraintName, float]

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> Self:
        """The case of an address; what cannot be read is left out, for an address is typed by anyone."""
        study, answers = query.get("study", ""), {}
        for part in query.get("answers", "").split(","):
            question, _, said = part.partition(":")
            if question and said in ("yes", "no"):
                answers[question] = said == "yes"
        return cls(
            study=int(study) if study.isascii() and study.isdigit() and len(study) < 19 else None,
            answers=answers,
            constraints=cast(Mapping[ConstraintName, float], pairs(query.get("constraints", ""), LIMITS)),
        )

    def query(self) -> str:
        """The part of the address after the view."""
        said = ",".join(f"{question}:{'yes' if answer else 'no'}" for question, answer in self.answers.items())
        parts = [f"study={self.study}"] if self.study is not None else []
        parts += [f"answers={said}"] if said else []
        parts += [f"constraints={joined(self.constraints)}"] if self.constraints else []
        return "&".join(parts)


def reached(guide: SelectionGuide, answers: Mapping[str, bool]) -> tuple[list[str], GuideQuestionView | LeafView]:
    """The goals that the answers lead to from the first question, and the question or leaf at which they end."""
    questions = {question.key: question for question in guide.questions}
    leaves = {leaf.key: leaf for leaf in guide.leaves}
    here, goals = questions[guide.root], list[str]()
    while here.key in answers:
        goals.append(here.yes if answers[here.key] else here.no)
        if goals[-1] in leaves:
            return goals, leaves[goals[-1]]
        here = questions[goals[-1]]
    return goals, here


def answers_to(questions: Sequence[GuideQuestionView], goal: str) -> dict[str, bool]:
    """The answers that lead to a question or leaf."""
    for question in questions:
        if goal in (question.yes, question.no):
            return answers_to(questions, question.key) | {question.key: goal == question.yes}
    return {}
