"""The audit log: who did what, in which team, and how they came. Only ever added to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine, insert, select
from sqlalchemy.orm import Session

from app.db.identity import AuditEntry
from app.db.session import DatabaseClock, system_session, write_lock
from app.db.tables import Team
from app.errors import Invalid
from app.schemas import AuditView, Page
from app.services.callers import Caller

LONGEST_TARGET = 200
_WRITE = insert(AuditEntry.__table__).values(at=DatabaseClock()).inline()  # type: ignore[arg-type]
"""Every write of anybody goes through it: no question for the time, and none for the entry's id."""


def read_entries(
    engine: Engine,
    team_id: int | None,
    *,
    user: str | None = None,
    action: str | None = None,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[AuditView]:
    """A team's entries, the newest first; `cursor` is the last page's next_cursor. team_id None: the installation's,
    with those of nobody that is known."""
    wanted = select(AuditEntry, Team.slug).outerjoin(Team, Team.id == AuditEntry.team_id)
    if team_id is not None:
        wanted = wanted.where(AuditEntry.team_id == team_id)
    if user is not None:
        wanted = wanted.where(AuditEntry.user == user)
    if action is not None:
        wanted = wanted.where(AuditEntry.action == action)
    if cursor is not None:
        wanted = wanted.where(AuditEntry.id < _before(cursor))
    with system_session(engine) as session:
        rows = session.execute(wanted.order_by(AuditEntry.id.desc()).limit(limit + 1)).all()
    items = [_view(entry, slug) for entry, slug in rows[:limit]]
    return Page[AuditView](items=items, next_cursor=str(items[-1].id) if len(rows) > limit else None)


def _before(cursor: str) -> int:
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise Invalid("This cursor did not come from a page of this list. Leave it out to start again.", field="cursor")
    return int(cursor)


def _view(entry: AuditEntry, team: str | None) -> AuditView:
    return AuditView(
        id=entry.id,
        at=entry.at,
        team=team,
        user=entry.user,
        means=entry.means,
        action=entry.action,
        target=entry.target,
        detail=entry.detail,
    )


@dataclass(frozen=True)
class Entry:
    """What somebody did. caller None: nobody that is known."""

    caller: Caller | None
    action: str
    target: str = ""
    detail: Mapping[str, Any] = field(default_factory=dict)


def record(
    engine: Engine,
    caller: Caller | None,
    action: str,
    target: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write an entry of its own transaction."""
    record_together(engine, [Entry(caller, action, target, detail or {})])


def record_together(engine: Engine, entries: Sequence[Entry]) -> None:
    """Write entries in one transaction: all of them or none."""
    with system_session(engine) as session:
        write_lock(session)
        session.execute(_WRITE, [_row(entry) for entry in entries])


def add(
    session: Session,
    caller: Caller | None,
    action: str,
    target: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write an entry together with what it tells of."""
    session.execute(_WRITE, _row(Entry(caller, action, target, detail or {})))


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "team_id": entry.caller.team_id if entry.caller else None,
        "user": entry.caller.user if entry.caller else None,
        "means": entry.caller.means if entry.caller else "",
        "action": entry.action,
        "target": entry.target[:LONGEST_TARGET],
        "detail": dict(entry.detail),
    }
