"""Share links: whoever has one reads one study's report, as it is now, until the link expires or is revoked."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Engine, func, select, update
from sqlalchemy.exc import DBAPIError

from app.db.identity import ShareLink
from app.db.session import system_session, team_session, write_lock
from app.errors import Conflict, Invalid, NotFound
from app.schemas import NewShare, ShareRequest, ShareView
from app.services.accounts.secrets import new_secret, now, sha256_of
from app.services.callers import Caller
from app.services.exports import export_study
from app.services.studies import read_study

PATH = "/shared/"
MOST_SHARES = 200
"""Of one study."""
NOTED = timedelta(minutes=1)
"""How exactly it is kept when a link was last used."""
LONGEST_TOKEN = 100


def list_shares(engine: Engine, caller: Caller, study_id: int) -> list[ShareView]:
    """The study's links, the newest first."""
    with team_session(engine, caller.team_id) as session:
        read_study(session, study_id)
        wanted = select(ShareLink).where(ShareLink.study_id == study_id).order_by(ShareLink.id.desc())
        return [_view(link, now()) for link in session.scalars(wanted)]


def create_share(engine: Engine, caller: Caller, study_id: int, asked: ShareRequest) -> NewShare:
    """A link to the study, whose token is told this once."""
    token, made = new_secret(), now()
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        read_study(session, study_id)
        if (session.scalar(select(func.count()).where(ShareLink.study_id == study_id)) or 0) >= MOST_SHARES:
            raise Conflict(f"A study has at most {MOST_SHARES} share links. Give people one that there is.")
        link = ShareLink(
            study_id=study_id,
            token_sha256=sha256_of(token),
            note=_note(asked.note),
            created_by=caller.user,
            created_at=made,
            expires_at=made + timedelta(days=asked.days),
        )
        session.add(link)
        session.flush()
        return NewShare(share=_view(link, made), path=PATH + token)


def _note(note: str) -> str:
    said = note.strip()
    if said and not said.isprintable():
        raise Invalid("A note cannot hold line breaks or control characters.", field="note")
    return said


def revoke_share(engine: Engine, caller: Caller, study_id: int, share_id: int) -> None:
    """From now on the link opens nothing. One that was revoked before stays as it is."""
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        read_study(session, study_id)
        link = session.scalar(select(ShareLink).where(ShareLink.id == share_id, ShareLink.study_id == study_id))
        if link is None:
            raise NotFound(f"Study {study_id} has no share link {share_id}.")
        link.revoked_at = link.revoked_at or now()


@dataclass(frozen=True)
class _Opened:
    """What a link opens, and for whom its study's queries are scoped."""

    reader: Caller
    study_id: int
    unnoted: bool


def shared_report(engine: Engine, token: str) -> str:
    """The report that a link opens, as it is now. Raises NotFound, the same for a link that has expired, was revoked,
    never was, or whose study is gone."""
    opened = _open(engine, token)
    if opened is None:
        raise NotFound("This link opens nothing.")
    report = export_study(engine, opened.reader, opened.study_id, "html")
    if opened.unnoted:
        # That a link was used is worth no reader's failure: a database that is locked is told of it later.
        with suppress(DBAPIError):
            _note_use(engine, token)
    return report


def _open(engine: Engine, token: str) -> _Opened | None:
    if len(token) > LONGEST_TOKEN:
        return None
    with system_session(engine) as session:
        link = session.scalar(select(ShareLink).where(ShareLink.token_sha256 == sha256_of(token)))
        if link is None or not _works(link, now()):
            return None
        reader = Caller(link.team_id, "share link", "viewer", read_only=True, means=f"share {link.id}")
        return _Opened(reader, link.study_id, link.last_used_at is None or now() - link.last_used_at > NOTED)


def _note_use(engine: Engine, token: str) -> None:
    with system_session(engine) as session:
        used = update(ShareLink).where(ShareLink.token_sha256 == sha256_of(token))
        session.execute(used.values(last_used_at=now()))


def _works(link: ShareLink, moment: datetime) -> bool:
    return link.revoked_at is None and moment < link.expires_at


def _view(link: ShareLink, moment: datetime) -> ShareView:
    return ShareView(
        id=link.id,
        note=link.note,
        created_by=link.created_by,
        created_at=link.created_at,
        expires_at=link.expires_at,
        revoked_at=link.revoked_at,
        last_used_at=link.last_used_at,
        works=_works(link, moment),
    )
