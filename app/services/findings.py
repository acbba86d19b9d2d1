"""What each study shows so far, worked out once for what it has measured: lists are read far oftener than runs end."""

from collections import OrderedDict
from datetime import datetime
from threading import Lock
from weakref import WeakKeyDictionary

from sqlalchemy.orm import Session

from app.db.tables import Study
from app.language import language
from app.schemas import RunCounts, Sentence
from app.services.evidence import read_evidence
from app.services.studies import study_status
from app.services.verdicts import finding

MOST_KEPT = 2_000
Measured = tuple[int, str, datetime, str]
"""A study, its runs by status, when the last of them changed, and the language of the sentence."""

_kept: WeakKeyDictionary[object, OrderedDict[Measured, Sentence]] = WeakKeyDictionary()
_lock = Lock()


def finding_of(session: Session, study: Study, counts: RunCounts, changed: datetime) -> Sentence:
    """The study's finding. Every change of a result moves `changed`, the newest updated_at of its runs."""
    measured = (study.id, counts.model_dump_json(), changed, language())
    with _lock:
        kept = _kept.setdefault(session.get_bind(), OrderedDict())
        if measured in kept:
            kept.move_to_end(measured)
            return kept[measured]
    found = finding(read_evidence(session, study), study_status(counts), counts)
    with _lock:
        kept[measured] = found
        if len(kept) > MOST_KEPT:
            kept.popitem(last=False)
    return found
