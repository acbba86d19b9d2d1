"""What the studies that were asked about last have measured, kept until something of it changes.

A page asks a study for its comparison, its trade-off and its sweeps at once, and a slider asks it again and again: it
is read from the database once. Whether it still stands so is read each time: every run, its status and its last change.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import TypeVar
from weakref import WeakKeyDictionary

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db.tables import Run, Study
from app.language import language
from app.services.evidence import StudyEvidence, read_evidence

MOST_KEPT = 6
MOST_SCORES = 500_000
"""Of single test items, in all that is kept: 16 MB."""
MOST_ANSWERS = 12
"""Kept of one study: what its page asks, every scenario, and where a slider was last. Up to a megabyte each."""
Answer = TypeVar("Answer", bound=BaseModel)
Place = tuple[int, str]
"""A study, and the language of its sentences."""


@dataclass(frozen=True)
class KeptEvidence:
    """A study as it stood at one time, and the answers that were made of it."""

    evidence: StudyEvidence
    _answers: OrderedDict[str, BaseModel] = field(default_factory=OrderedDict, repr=False)

    @property
    def scores(self) -> int:
        """Of how many test items it holds a score."""
        return sum(map(len, self.evidence.item_scores_of.values()))

    def answer(self, question: str, make: Callable[[], Answer]) -> Answer:
        """The answer to a question, made once while it is kept. All are given the same one: it is not changed."""
        found = self._answers.get(question)
        if found is None:
            found = self._answers[question] = make()
            if len(self._answers) > MOST_ANSWERS:
                self._answers.popitem(last=False)
        return found  # type: ignore[return-value]  # To one question the answers are of one kind.


class Shelf:
    """What is kept of one database: the studies that were asked about last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[Place, tuple[object, KeptEvidence]] = OrderedDict()
        self._reading: dict[Place, Lock] = {}
        self._lock = Lock()

    def evidence_of(self, session: Session, study: Study) -> KeptEvidence:
        """Who asks while it is read waits for that reading, so that a page's questions read once."""
        place = study.id, language()
        with self._lock:
            reading = self._reading.setdefault(place, Lock())
        with reading:
            state = _state(session, study)
            was, kept = self._kept.get(place, (None, None))
            if kept is None or was != state:
                kept = KeptEvidence(read_evidence(session, study))
            self._keep(place, state, kept)
        return kept

    def _keep(self, place: Place, state: object, kept: KeptEvidence) -> None:
        if kept.scores > MOST_SCORES:
            return
        with self._lock:
            self._kept[place] = state, kept
            self._kept.move_to_end(place)
            while len(self._kept) > MOST_KEPT or sum(one.scores for _, one in self._kept.values()) > MOST_SCORES:
                gone, _ = self._kept.popitem(last=False)
                self._reading.pop(gone, None)


_shelves: WeakKeyDictionary[object, Shelf] = WeakKeyDictionary()
_lock = Lock()


def kept_evidence(session: Session, study: Study) -> KeptEvidence:
    """Everything measured in a study, as it stands now."""
    with _lock:
        shelf = _shelves.setdefault(session.get_bind(), Shelf())
    return shelf.evidence_of(session, study)


def _state(session: Session, study: Study) -> object:
    """Equal exactly while nothing has changed that a study's answers are made of."""
    runs = select(Run.id, Run.status, Run.updated_at).where(Run.study_id == study.id).order_by(Run.id)
    return (
        study.name,
        study.document,
        study.task,
        study.precision,
        study.created_at,
        [tuple(run) for run in session.execute(runs)],
    )
