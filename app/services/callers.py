"""Who asks: every service takes a caller, so that no query can forget whose data it reads."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Caller:
    """A person (or token) acting for a team."""

    team_id: int
    user: str
    role: Literal["viewer", "member", "admin"]


LOCAL = Caller(team_id=1, user="local user", role="admin")
"""The only caller until accounts exist: whoever reaches the loopback address."""
