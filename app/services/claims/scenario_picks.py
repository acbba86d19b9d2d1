"""The chapter's recommendations in five scenarios, beside what a study's numbers recommend."""

from typing import ClassVar

from app.language import filled, mark, tr
from app.schemas import Part, Sentence
from app.services.claim import Claim, Judged, MeasuredStudy, said
from app.services.evidence import StudyEvidence
from peft_core.compare.recommend import CRITERIA, Question, recommend
from peft_core.method import methods
from peft_core.scenario import Scenario, scenarios

DRAWS = 500
"""Enough to tell which method is picked; the Recommend page draws more and shows how sure it is."""


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
        agreements = {agrees for _, (_, agrees) in picks}
        agrees = False if False in agreements else (True if True in agreements else None)
        return Judged(agrees, [part for kind, (label, same) in picks for part in _told(kind, label, same)])


def _pick(evidence: StudyEvidence, kind: type[Scenario]) -> tuple[str, bool | None] | None:
    """The picked row, and whether it is of the textbook's method; None for a winner that is not clear, and where the
    study does not have that method."""
    limits = {} if kind.constraint_default is None else {kind.constraint: kind.constraint_default}
    question = Question(weights=kind.weights, constraints=limits, criteria=CRITERIA | kind.criteria, draws=DRAWS)
    found = recommend(evidence.as_evidence, question)
    if not found.ranked:
        return None
    row = next(row for row in evidence.configurations if row.id == found.ranked[0].key)
    there = {_title(candidate.method) for candidate in evidence.configurations}
    if found.verdict == "no clear winner" or not there & _named(kind):
        return row.label, None
    return row.label, _title(row.method) in _named(kind)


def _named(kind: type[Scenario]) -> set[str]:
    """The textbook's method, without its range of ranks: "LoRA r16-32" names LoRA."""
    return {kind.textbook_pick, kind.textbook_pick.split(" r")[0]}


def _title(method: str) -> str:
    known = methods().get(method)
    return known.title if known else method


def _told(kind: type[Scenario], label: str, same: bool | None) -> Sentence:
    verdict = {True: tr("as the chapter"), False: tr("not as the chapter"), None: tr("undecided")}[same]
    return said(
        filled(
            "{scenario}: {pick}, {verdict} ({chapter}). ",
            scenario=[Part(label=tr(kind.title))],
            pick=[Part(label=label)],
            verdict=verdict,
            chapter=[Part(label=kind.textbook_pick)],
        )
    )
