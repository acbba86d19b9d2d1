"""The audit log: who did what, in which team, and how they came. Only ever added to."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from app.db.identity import AuditEntry
from app.db.session import database_now, system_session
from app.services.callers import Caller

LONGEST_TARGET = 200


def record(
    engine: Engine,
    caller: Caller | None,
    action: str,
    target: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write an entry of its own transaction. caller None: nobody that is known."""
    with system_session(engine) as session:
        add(session, caller, action, target, detail)


def add(
    session: Session,
    caller: Caller | None,
    action: str,
    target: str = "",
    detail: Mapping[str, Any] | None = None,
) -> None:
    """Write an entry together with what it tells of."""
    session.add(
        AuditEntry(
            at=database_now(session),
            team_id=caller.team_id if caller else None,
            user=caller.user if caller else None,
            means=caller.means if caller else "",
            action=action,
            target=target[:LONGEST_TARGET],
            detail=dict(detail or {}),
        )
    )
