"""A write that is sent again does nothing twice."""

import hashlib
from collections.abc import Callable

from sqlalchemy import Engine, select

from app.db.session import database_now, team_session
from app.db.tables import IdempotencyKey
from app.errors import Conflict
from app.services.callers import Caller


def once(engine: Engine, caller: Caller, key: str | None, request: str, make: Callable[[], int]) -> int:
    """The id that `make` gives, or gave when this key came first.

    Raises Conflict where the key came with another request.
    """
    if key is None:
        return make()
    digest = hashlib.sha256(request.encode()).hexdigest()
    with team_session(engine, caller.team_id) as session:
        known = session.scalar(select(IdempotencyKey).where(IdempotencyKey.key == key))
    if known is not None:
        if known.request_sha256 != digest:
            raise Conflict("This Idempotency-Key came with another document before. Use a new key.")
        made: int = known.body["id"]
        return made
    made = make()
    with team_session(engine, caller.team_id) as session:
        now = database_now(session)
        session.add(IdempotencyKey(key=key, request_sha256=digest, status=201, body={"id": made}, created_at=now))
    return made
