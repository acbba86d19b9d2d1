"""Which studies can be compared with each other, and what stands for a method in each."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.tables import Configuration, Run, Study
from app.language import tr
from app.services.cells import quality_cell
from app.services.comparability import trained_unlike
from app.services.evidence import StudyEvidence, read_evidence
from app.services.reviews import approval_of
from peft_core.compare.draws import Array
from peft_core.compare.normalise import QUALITY, QualityScale
from peft_core.compare.recommend import Question
from peft_core.task import sign

MOST_STUDIES = 40
"""The newest ones of a kind are read."""
LEAST_METHODS = 2
DRAWS, SEED = Question.draws, Question.seed


@dataclass(frozen=True)
class Chosen:
    """The configuration that stands for a method; None and why where none can."""

    row: Configuration | None
    variants: int
    on_validation: bool = True
    missing: str | None = None


@dataclass(frozen=True)
class Comparable:
    """A study whose qualities can be told as shares of full fine-tuning's gain."""

    evidence: StudyEvidence
    scale: QualityScale
    full: Configuration
    approved: bool = False
    _chosen: dict[str, Chosen] = field(default_factory=dict, compare=False, repr=False)

    @property
    def id(self) -> int:
        return self.evidence.study.id

    @cached_property
    def methods(self) -> list[str]:
        """The methods that it has a result of, in its own order; the untuned row is a floor and none."""
        names = dict.fromkeys(row.method for row in self.evidence.configurations if row is not self.evidence.untuned)
        return [name for name in names if self.chosen(name).row is not None]

    def chosen(self, method: str) -> Chosen:
        """Of the configurations of a method the one that scored best on validation, never on the test split."""
        if method not in self._chosen:
            self._chosen[method] = self._choose(method)
        return self._chosen[method]

    def _choose(self, method: str) -> Chosen:
        own = [row for row in self.evidence.configurations if row.method == method and row is not self.evidence.untuned]
        if not own:
            return Chosen(None, 0, missing=tr("not in this study"))
        why = {row.id: self._why_not(row) for row in own}
        usable = [row for row in own if why[row.id] is None]
        if not usable:
            return Chosen(None, len(own), missing=why[own[0].id])
        scores = [self._validation(row) for row in usable]
        known = [score for score in scores if score is not None]
        if len(known) < len(usable):
            return Chosen(usable[0], len(own), on_validation=len(usable) == 1)
        return Chosen(usable[int(np.argmax(known))], len(own))

    def _why_not(self, row: Configuration) -> str | None:
        """Why a row says nothing; None where it does."""
        if not self.evidence.values(row.id, QUALITY):
            return quality_cell(self.evidence, row).missing or tr("the run gave no value")
        if not self.evidence.shown_to_learn(row):
            return tr("did not learn: its grid or budget is too small")
        runs = self.evidence.alike(row.id, QUALITY).kept
        unlike = trained_unlike(self.evidence.usual, [self.evidence.conditions[run.id] for run in runs])
        return tr("made unlike the others: {what}", what=", ".join(unlike)) if unlike else None

    def _validation(self, row: Configuration) -> float | None:
        """Its mean validation score over seeds, better when higher."""
        scores = [run.validation_score for run in self.evidence.alike(row.id, QUALITY).kept]
        known = [score for score in scores if score is not None]
        return sign(self.evidence.task) * sum(known) / len(known) if known and len(known) == len(scores) else None

    def share(self, value: float) -> float:
        """A raw score as a share of full fine-tuning's gain over the floor, not cut off at either end."""
        return (sign(self.evidence.task) * value - self.scale.floor) / self.gain

    @property
    def gain(self) -> float:
        return self.scale.full - self.scale.floor

    def mean_share(self, method: str) -> float:
        """Of a method that it has a result of."""
        row = self.chosen(method).row
        assert row is not None, "asked only of methods that the study has"
        return self.share(float(np.mean(list(self.evidence.values(row.id, QUALITY).values()))))

    def drawn_shares(self, methods: Sequence[str]) -> Array:
        """What the true shares may be, given its seeds and test items: (draws, methods), (1, methods) where nothing
        varies. Rows that were scored on the same items move together."""
        evidence = self.evidence.as_evidence
        values = evidence.scored(QUALITY, DRAWS, SEED).values
        rows = [self.chosen(method).row for method in methods]
        columns = [evidence.place(row.id) for row in rows if row is not None]
        drawn: Array = (values[:, columns] - self.scale.floor) / self.gain
        return drawn


def kinds_of_studies(session: Session) -> Counter[str]:
    """Kind of task -> studies that have measured two methods or more."""
    measured = (
        select(Run.study_id, Configuration.method)
        .join(Configuration, Run.configuration_id == Configuration.id)
        .where(Run.purpose == "report", Run.status == "succeeded", Configuration.method != "untuned")
        .distinct()
    )
    methods = Counter(study for study, _ in session.execute(measured))
    kinds = {study: task["kind"] for study, task in session.execute(select(Study.id, Study.task))}
    return Counter(kinds[study] for study, count in methods.items() if count >= LEAST_METHODS)


def read_comparable(
    session: Session, kind: str, *, approved_only: bool = False
) -> tuple[list[Comparable], list[tuple[Study, str]]]:
    """The team's newest studies of a kind of task, and those that are not compared with the reason."""
    usable: list[Comparable] = []
    unused: list[tuple[Study, str]] = []
    for study in session.scalars(select(Study).order_by(Study.id.desc())):
        if study.task["kind"] != kind:
            continue
        if len(usable) == MOST_STUDIES:
            unused.append((study, tr("older than the newest {count} that are read", count=MOST_STUDIES)))
            continue
        unapproved = _why_unapproved(session, study)
        if approved_only and unapproved is not None:
            unused.append((study, unapproved))
            continue
        read = _read(read_evidence(session, study), approved=unapproved is None)
        usable.append(read) if isinstance(read, Comparable) else unused.append((study, read))
    return usable, unused


def _why_unapproved(session: Session, study: Study) -> str | None:
    """None where somebody signed the study's results off and they are still the same."""
    approval = approval_of(session, study.id)
    if approval is None:
        return tr("nobody has approved it")
    if approval.state != "approved":
        return tr("its approval was withdrawn")
    return tr("its results have changed since it was approved") if approval.changed_since else None


def _read(evidence: StudyEvidence, *, approved: bool) -> Comparable | str:
    """The study with its scale, or why it has none."""
    full, scale = evidence.full, evidence.full_scale
    if full is None or evidence.why_not_full is not None:
        return tr("there is nothing to take shares of: {why}", why=evidence.why_not_full or "")
    if not evidence.values(full.id, QUALITY):
        return tr("full fine-tuning is not measured yet")
    if scale is None:
        return tr("its floor is not known: no untuned row was run, and the task has no chance level")
    if not scale.defined:
        return tr("full fine-tuning's gain over the floor is not clear of noise")
    read = Comparable(evidence, scale, full, approved)
    if len(read.methods) < LEAST_METHODS:
        return tr("fewer than two of its methods have a result")
    return read
