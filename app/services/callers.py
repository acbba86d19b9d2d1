"""Who asks: every service takes a caller, so that no query can forget whose data it reads."""

from dataclasses import dataclass
from typing import Literal

Role = Literal["viewer", "member", "admin"]
ROLES: tuple[Role, ...] = ("viewer", "member", "admin")
"""Each may do all that the ones before it may."""


@dataclass(frozen=True)
class Caller:
    """A person, or a program of theirs, acting for a team."""

    team_id: int
    user: str
    role: Role
    operator: bool = False
    """Runs the installation: its users, teams, workers and storage."""
    read_only: bool = False
    """Whether it was let in to look only, whatever the role: a token of scope read, a page that shows something."""
    team: str = "local"
    user_id: int | None = None
    """None: the local user, who has no account."""
    means: str = "local"
    """How they came, for the audit log: session, token 7, key, local, command."""

    def may(self, role: Role) -> bool:
        """Whether the role is at least this one."""
        return ROLES.index(self.role) >= ROLES.index(role)


LOCAL = Caller(team_id=1, user="local user", role="admin", operator=True)
"""The only caller until accounts exist: whoever reaches the loopback address, and whoever types commands."""
COMMAND = Caller(team_id=1, user="command line", role="admin", operator=True, means="command")
"""Whoever types commands on the machine that holds the database."""
