"""The chapter's recommendations in five scenarios, beside what a study's numbers recommend."""

from typing import ClassVar, Literal

from app.language import mark, tr
from app.schemas import Part, Sentence
from app.services.claim import Claim, Judged, MeasuredStudy
from app.services.evidence import StudyEvidence
from app.services.numbers import sentence
from peft_core.compare.recommend import CRITERIA, Question, recommend
from peft_core.method import methods
from peft_core.scenario import Scenario, scenarios

DRAWS = 500
"""Enough to tell which method is picked; the Recommend page draws more and shows how sure it is."""

Outcome = Literal["same", "other", "open", "absent"]
OUTCOMES: dict[Outcome, str] = {
    "same": mark("as the chapter"),
    "other": mark("not as the chapter"),
    "open": mark("no clear winner"),
    "absent": mark("the chapter's is not in this study"),
}
"""How a pick goes together with the textbook's."""


class ScenarioPicks(Claim):
    title: ClassVar[str] = mark("The recommendations in five scenarios")
    statement: ClassVar[str] = mark("The method that the selection guide names is the one to take in its scenario.")
    origin: ClassVar[str] = mark("Recommendation in five scenarios; selection guide")
    tested: ClassVar[str] = mark(
        "Each scenario's weights are applied to what the study measured. It holds where every clear or likely pick is"
        " of the method that the chapter names; a scenario without a clear winner, or in a study without the method,"
        " does not speak against it."
    )
    position: ClassVar[int] = 12
    preset: ClassVar[str] = "chapter_five"

    @staticmethod
    def judge(study: MeasuredStudy) -> Judged | None:
        """The pick of each scenario."""
        evidence = study.evidence
        picks = [(kind, found) for kind in scenarios().values() if (found := _pick(evidence, kind)) is not None]
        if not picks:
            return None
        outcomes = {outcome for _, (_, outcome) in picks}
        agrees = False if "other" in outcomes else (True if "same" in outcomes else None)
        return Judged(agrees, [part for kind, (label, outcome) in picks for part in _told(kind, label, outcome)])


def _pick(evidence: StudyEvidence, kind: type[Scenario]) -> tuple[str, Outcome] | None:
    """The picked row, and how it goes together with the textbook's."""
    limits = {} if kind.constraint_default is None else {kind.constraint: kind.constraint_default}
    question = Question(weights=kind.weights, constraints=limits, criteria=CRITERIA | kind.criteria, draws=DRAWS)
    found = recommend(evidence.as_evidence, question)
    if not found.ranked:
        return None
    row = next(row for row in evidence.configurations if row.id == found.ranked[0].key)
    there = {_title(candidate.method) for candidate in evidence.configurations}
    if not there & _named(kind):
        return row.label, "absent"
    if found.verdict == "no clear winner":
        return row.label, "open"
    return row.label, "same" if _title(row.method) in _named(kind) else "other"


def _named(kind: type[Scenario]) -> set[str]:
    """The textbook's method, without its range of ranks: "LoRA r16-32" names LoRA."""
    return {kind.textbook_pick, kind.textbook_pick.split(" r")[0]}


def _title(method: str) -> str:
    known = methods().get(method)
    return known.title if known else method


def _told(kind: type[Scenario], label: str, outcome: Outcome) -> Sentence:
    return sentence(
        "{scenario}: {pick}, {verdict} ({chapter}). ",
        scenario=[Part(label=tr(kind.title))],
        pick=[Part(label=label)],
        verdict=tr(OUTCOMES[outcome]),
        chapter=[Part(label=tr(kind.textbook_pick))],
    )
