"""How far configurations differ in quality, by the one rule of `peft_core.compare.significance`."""

from collections.abc import Collection

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.db.session import team_session
from app.db.tables import Configuration, Run, Study
from app.language import tr
from app.schemas import (
    AcrossStudies,
    Difference,
    QualityDifference,
    SignificanceRow,
    SignificanceView,
    UntestedPair,
)
from app.services.callers import Caller
from app.services.evidence import StudyEvidence, read_evidence
from app.services.numbers import count, sentence
from app.services.studies import read_study
from peft_core.compare.recommend import QUALITY
from peft_core.compare.significance import COVERS, LEAST_STUDIES, RULE, Compared
from peft_core.compare.statistics import ALPHA
from peft_core.task import sign


def build_differences(evidence: StudyEvidence) -> list[Difference]:
    """Each row's quality minus the reference's, where the two can be tested. Corrected together with the comparisons
    with the best row; the untuned row is a floor, not a method, and is not among them."""
    found = [_with(evidence, row, evidence.reference) for row in evidence.configurations]
    return [
        Difference(**tested.model_dump(exclude={"reference", "raw_p_value"})) for tested in found if tested is not None
    ]


def significance(engine: Engine, caller: Caller, study_id: int) -> SignificanceView:
    """Every row of a study against the best and against the reference. Raises NotFound."""
    with team_session(engine, caller.team_id) as session:
        study = read_study(session, study_id)
        evidence = read_evidence(session, study)
        comparable = _comparable_studies(session, evidence)
    found = evidence.as_evidence.significance
    rows = {row.id: row for row in evidence.configurations}
    best = rows.get(found.best) if found.best is not None else None
    tied = found.tied_with(found.best), found.tied_with(found.reference)
    return SignificanceView(
        study=study.id,
        rule=tr(RULE),
        alpha=ALPHA,
        comparisons=len(found.comparisons),
        best=found.best,
        reference=found.reference,
        reference_note=evidence.reference_note,
        rows=[_row(evidence, row, best, tied) for row in evidence.configurations if row is not evidence.untuned],
        tied_with_best=list(tied[0]),
        tied_with_reference=list(tied[1]),
        untested=[_untested(evidence, rows[key], rows[other]) for key, other in found.untested],
        across_studies=_across_studies(evidence, comparable),
    )


def _row(
    evidence: StudyEvidence,
    row: Configuration,
    best: Configuration | None,
    tied: tuple[Collection[int], Collection[int]],
) -> SignificanceRow:
    """tied: the rows tied with the best, and those tied with the reference."""
    return SignificanceRow(
        configuration=row.id,
        label=tr(row.label),
        family=row.family,
        n=len(evidence.values(row.id, QUALITY)),
        with_best=_with(evidence, row, best),
        with_reference=_with(evidence, row, evidence.reference),
        tied_with_best=row.id in tied[0],
        tied_with_reference=row.id in tied[1],
    )


def _with(evidence: StudyEvidence, row: Configuration, other: Configuration | None) -> QualityDifference | None:
    found = evidence.as_evidence.significance.between(row.id, other.id) if other is not None else None
    return difference_view(evidence, found) if found is not None else None


def difference_view(evidence: StudyEvidence, found: Compared) -> QualityDifference:
    """A comparison in the score's own direction: inside the comparison, quality is always better when higher."""
    pair, direction = found.pair, sign(evidence.task)
    return QualityDifference(
        configuration=pair.key,
        reference=pair.reference,
        value=direction * pair.difference.value,
        quantity="points" if evidence.task.quantity == "fraction" else evidence.task.quantity,
        interval=_directed(pair.difference.interval(), direction),
        corrected=_directed(found.corrected_interval, direction),
        raw_p_value=pair.difference.p_value,
        p_value=found.corrected.p_value,
        verdict=found.outcome,
        test=pair.rule,
        covers=COVERS[pair.rule],
        run_ids=_runs(evidence, pair.key, pair.seeds),
        reference_run_ids=_runs(evidence, pair.reference, pair.seeds),
    )


def _directed(interval: tuple[float, float], direction: float) -> tuple[float, float]:
    lo, hi = sorted(direction * end for end in interval)
    return lo, hi


def _runs(evidence: StudyEvidence, configuration_id: int, seeds: tuple[int, ...]) -> list[int]:
    """The runs behind one side of a difference: those of the paired seeds, else all that gave a value."""
    if not seeds:
        return list(evidence.values(configuration_id, QUALITY))
    scores = evidence.item_scores(configuration_id)
    return [scores[seed][0] for seed in seeds]


def _untested(evidence: StudyEvidence, row: Configuration, other: Configuration) -> UntestedPair:
    sides = [evidence.item_scores(side.id) for side in (row, other)]
    if all(sides) and not sides[0].keys() & sides[1].keys():
        reason = tr("They share no seed: run one for both.")
    elif all(sides):
        reason = tr("They were not scored on the same test items.")
    else:
        reason = tr("A single run without item scores or a count of items: nothing says how noisy it is.")
    return UntestedPair(configuration=row.id, reference=other.id, reason=reason)


def _across_studies(evidence: StudyEvidence, comparable: int) -> AcrossStudies:
    return AcrossStudies(
        needed=LEAST_STUDIES,
        found=comparable,
        sentence=sentence(
            "A Bayesian signed-rank test over studies and a critical-difference diagram wait for {needed} comparable"
            " studies; there are {found}.",
            needed=count(evidence, LEAST_STUDIES, "studies_needed"),
            found=count(evidence, comparable, "comparable_studies"),
        ),
    )


def _comparable_studies(session: Session, evidence: StudyEvidence) -> int:
    """Studies of the same kind of task, this one among them, that have measured two methods which this one has too."""
    own = {row.method for row in evidence.configurations if row is not evidence.untuned}
    kind = evidence.study.task["kind"]
    measured = (
        select(Study.id, Study.task, Configuration.method)
        .join(Configuration, Configuration.study_id == Study.id)
        .join(Run, Run.configuration_id == Configuration.id)
        .where(Run.purpose == "report", Run.status == "succeeded", Configuration.method.in_(own))
    )
    methods: dict[int, set[str]] = {}
    for study_id, task, method in session.execute(measured):
        if task["kind"] == kind:
            methods.setdefault(study_id, set()).add(method)
    return sum(len(found) >= 2 for found in methods.values())
