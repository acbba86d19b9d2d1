"""A write that is sent again does nothing twice."""

import hashlib
from collections.abc import Callable

from sqlalchemy import Engine, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.db.session import database_now, team_session
from app.db.tables import IdempotencyKey
from app.errors import Conflict
from app.language import tr
from app.services.callers import Caller

Remember = Callable[[Session, int], None]
"""Called in the transaction that makes a row, with its id: whatever happens, both are there or neither is."""


def nothing_to_remember(_session: Session, _made: int) -> None:
    """For a write that came without a key."""


def once(engine: Engine, caller: Caller, key: str | None, request: str, make: Callable[[Remember], int]) -> int:
    """The id that `make` gives, or gave when this key came first.

    Raises Conflict where the key came with another request.
    """
    if key is None:
        return make(nothing_to_remember)
    digest = hashlib.sha256(request.encode()).hexdigest()

    def remember(session: Session, made: int) -> None:
        now = database_now(session)
        session.add(IdempotencyKey(key=key, request_sha256=digest, status=201, body={"id": made}, created_at=now))
        session.flush()

    known = _made_before(engine, caller, key, digest)
    if known is not None:
        return known
    try:
        return make(remember)
    except IntegrityError:
        # The same request came in while this one was checked, and was quicker.
        known = _made_before(engine, caller, key, digest)
        if known is None:
            raise
        return known


def _made_before(engine: Engine, caller: Caller, key: str, digest: str) -> int | None:
    with team_session(engine, caller.team_id) as session:
        known = session.scalar(select(IdempotencyKey).where(IdempotencyKey.key == key))
    if known is None:
        return None
    if known.request_sha256 != digest:
        raise Conflict(tr("This Idempotency-Key came with another document before. Use a new key."))
    made: int = known.body["id"]
    return made
