"""What became of each claim of the chapter, from the team's newest studies."""

from collections.abc import Sequence

from sqlalchemy import Engine, exists, select
from sqlalchemy.orm import Session

from app.db.session import team_session
from app.db.tables import Run, Study
from app.language import tr
from app.schemas import ClaimFinding, Claims, ClaimView, Number, Sentence
from app.services.callers import Caller
from app.services.claim import Claim, Judged, MeasuredStudy, claims, verdict_of
from app.services.evidence import read_evidence
from app.services.numbers import number, sentence

MOST_STUDIES = 20
"""The newest that have a run which ended well."""


def judge_claims(engine: Engine, caller: Caller) -> Claims:
    """Every claim with its verdict and what each study says of it."""
    with team_session(engine, caller.team_id) as session:
        studies = [MeasuredStudy(read_evidence(session, study)) for study in _studies(session)]
        views = [_view(key, claim, studies) for key, claim in claims().items()]
    return Claims(items=views, studies=len(studies))


def _studies(session: Session) -> Sequence[Study]:
    ended = exists().where(Run.study_id == Study.id, Run.status == "succeeded")
    return session.scalars(select(Study).where(ended).order_by(Study.id.desc()).limit(MOST_STUDIES)).all()


def _view(key: str, claim: type[Claim], studies: Sequence[MeasuredStudy]) -> ClaimView:
    judged = [(study, found) for study in studies if (found := claim.judge(study)) is not None]
    return ClaimView(
        key=key,
        title=tr(claim.title),
        statement=tr(claim.statement),
        origin=tr(claim.origin),
        tested=tr(claim.tested),
        verdict=verdict_of(claim, [found for _, found in judged]),
        formula=None,
        summary=_summary(key, [found for _, found in judged]),
        findings=[_finding(study, found) for study, found in judged],
        preset=claim.preset,
    )


def _finding(study: MeasuredStudy, found: Judged) -> ClaimFinding:
    row = study.evidence.study
    return ClaimFinding(study=row.id, name=row.name, agrees=found.agrees, sentence=found.sentence)


def _summary(key: str, found: Sequence[Judged]) -> Sentence:
    """In how many studies it was measured, and in how many of those it agrees."""
    if not found:
        return sentence("No study here has measured it.")

    def count(value: int, of: str) -> Number:
        formula = f"claim_studies(claim {key}, of {of})"
        return Number(value=value, quantity="count", statistic="count", formula=formula)

    return sentence(
        "Measured in studies: {measured}. Of these, agree: {agree}; disagree: {disagree}.",
        measured=number(count(len(found), "measured")),
        agree=number(count(sum(judged.agrees is True for judged in found), "agree")),
        disagree=number(count(sum(judged.agrees is False for judged in found), "disagree")),
    )
