"""Publishing: a study's report, frozen as it was, for everybody who knows its address."""

import re

from sqlalchemy import Engine, func, select

from app.db.identity import Publication
from app.db.session import system_session, team_session, write_lock
from app.errors import Conflict, NotFound
from app.schemas import PublicationView
from app.services.accounts.secrets import new_secret, now
from app.services.callers import Caller
from app.services.exports import export_study
from app.services.reviews import results_sha256
from app.services.studies import read_study

PATH = "/published/"
MOST_PUBLICATIONS = 50
"""Of one study."""
LONGEST_STEM = 40
UNGUESSED = 10
"""Random characters in an address: one is found by being given it, not by trying."""


def list_publications(engine: Engine, caller: Caller, study_id: int) -> list[PublicationView]:
    """What was published of the study, the newest first."""
    with team_session(engine, caller.team_id) as session:
        read_study(session, study_id)
        wanted = select(Publication).where(Publication.study_id == study_id).order_by(Publication.id.desc())
        found = session.scalars(wanted).all()
        present = results_sha256(session, study_id) if found else ""
        return [_view(publication, present) for publication in found]


def publish(engine: Engine, caller: Caller, study_id: int) -> PublicationView:
    """Freeze the study's report as it is now. Raises Conflict where its results change while it is written."""
    before = _fingerprint(engine, caller, study_id)
    report = export_study(engine, caller, study_id, "html")
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        study = read_study(session, study_id)
        if results_sha256(session, study_id) != before:
            raise Conflict("The results changed while the report was written. Publish again.")
        if (session.scalar(select(func.count()).where(Publication.study_id == study_id)) or 0) >= MOST_PUBLICATIONS:
            raise Conflict(f"A study is published at most {MOST_PUBLICATIONS} times. Share a link instead.")
        publication = Publication(
            study_id=study_id,
            slug=_slug(study.name),
            html=report,
            results_sha256=before,
            published_by=caller.user,
            published_at=now(),
        )
        session.add(publication)
        session.flush()
        return _view(publication, before)


def _fingerprint(engine: Engine, caller: Caller, study_id: int) -> str:
    with team_session(engine, caller.team_id) as session:
        read_study(session, study_id)
        return results_sha256(session, study_id)


def _slug(name: str) -> str:
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:LONGEST_STEM].strip("-") or "study"
    return f"{stem}-{new_secret()[:UNGUESSED]}"


def withdraw(engine: Engine, caller: Caller, study_id: int, publication_id: int) -> PublicationView:
    """From now on nobody reads the report at its address, and what it held is forgotten; that it was published stays
    in its history."""
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        read_study(session, study_id)
        wanted = select(Publication).where(Publication.id == publication_id, Publication.study_id == study_id)
        publication = session.scalar(wanted)
        if publication is None:
            raise NotFound(f"Study {study_id} has no publication {publication_id}.")
        if publication.withdrawn_at is None:
            publication.withdrawn_at, publication.html = now(), ""
        return _view(publication, results_sha256(session, study_id))


def published_report(engine: Engine, slug: str) -> str:
    """The report at an address. Raises NotFound, the same for one that was withdrawn and one that never was."""
    with system_session(engine) as session:
        wanted = select(Publication.html).where(Publication.slug == slug, Publication.withdrawn_at.is_(None))
        report = session.scalar(wanted)
    if report is None:
        raise NotFound("There is no report here.")
    return report


def _view(publication: Publication, present: str) -> PublicationView:
    return PublicationView(
        id=publication.id,
        path=PATH + publication.slug,
        published_by=publication.published_by,
        published_at=publication.published_at,
        withdrawn_at=publication.withdrawn_at,
        changed_since=publication.results_sha256 != present,
    )
