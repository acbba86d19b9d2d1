"""How often a login may be tried: ten times a minute for a name and for an address, counted for all web processes."""

from datetime import timedelta

from sqlalchemy import Engine, delete, func, select
from sqlalchemy.orm import Session

from app.db.identity import LoginAttempt
from app.db.session import system_session
from app.errors import TooManyAttempts
from app.language import tr
from app.services.accounts.secrets import now, sha256_of

MOST = 10
WITHIN = timedelta(minutes=1)


def count(engine: Engine, name: str, address: str) -> None:
    """Note that a login is tried, right or wrong. Raises TooManyAttempts where it is one too many."""
    counted = [sha256_of(f"name {name.strip().lower()}"), sha256_of(f"address {address}")]
    tried = [LoginAttempt(counted=one, at=now()) for one in counted]
    # Noted before it is counted: of many at the same moment none is overlooked.
    with system_session(engine) as session:
        session.execute(delete(LoginAttempt).where(LoginAttempt.at < now() - WITHIN))
        session.add_all(tried)
    with system_session(engine) as session:
        refused = any(_tried(session, one) > MOST for one in counted)
    if refused:
        with system_session(engine) as session:
            # What was refused does not keep the next minute's tries out.
            session.execute(delete(LoginAttempt).where(LoginAttempt.id.in_([attempt.id for attempt in tried])))
        raise TooManyAttempts(
            tr("That was tried {most} times within a minute. Wait a minute, then try again.", most=MOST)
        )


def _tried(session: Session, counted: str) -> int:
    return session.scalar(select(func.count()).where(LoginAttempt.counted == counted)) or 0
