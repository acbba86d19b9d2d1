"""Documents of who is logged in, and of users, teams, invitations, tokens and the audit log."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field, StrictBool

from app.schemas.document import Document

LONGEST_INVITATION_NOTE = 200
LONGEST_TOKEN_NAME = 100
Role = Literal["viewer", "member", "admin"]


class LogIn(Document):
    """A name and its password."""

    name: str = Field(min_length=1, max_length=200)
    password: str = Field(min_length=1, max_length=1000)


class PasswordChange(Document):
    """One's present password, and the next."""

    present: str = Field(min_length=1, max_length=1000)
    new: str = Field(min_length=1, max_length=1000)


class TeamChoice(Document):
    """The team to show."""

    team: str = Field(min_length=1, max_length=100)


class TeamOfMine(Document):
    """A team, and what the caller is there."""

    name: str
    role: Role


class SessionView(Document):
    """Who the caller is. `accounts`: whether people log in here; without, whoever reaches the server is one user."""

    accounts: bool
    user: str
    team: str
    role: Role
    operator: bool
    read_only: bool
    teams: list[TeamOfMine]
    csrf_token: str | None = None
    """For scripts that write with the cookie; browsers need none."""


class UserEntry(Document):
    """A user to make, and what they become in a team."""

    name: str = Field(min_length=1, max_length=200)
    password: str = Field(min_length=1, max_length=1000)
    operator: StrictBool = False
    team: str = Field(default="local", min_length=1, max_length=100)
    role: Role = "member"


class UserChange(Document):
    """What to change of a user; None: leave it."""

    disabled: StrictBool | None = None
    operator: StrictBool | None = None


class UserView(Document):
    """A user of the installation. `oidc`: they log in at the identity provider."""

    name: str
    operator: bool
    disabled: bool
    oidc: bool
    created_at: datetime
    teams: list[TeamOfMine]


class TeamEntry(Document):
    """A team to make."""

    slug: str = Field(min_length=1, max_length=100)


class TeamView(Document):
    """A team of the installation."""

    slug: str
    members: int
    admins: int


class MemberEntry(Document):
    """A user to bring into a team, as what."""

    user: str = Field(min_length=1, max_length=200)
    role: Role = "member"


class RoleChoice(Document):
    """What somebody is from now on."""

    role: Role


class MemberView(Document):
    """Who belongs to a team, as what, since when."""

    user: str
    role: Role
    disabled: bool
    since: datetime


class InvitationEntry(Document):
    """An invitation to make. note: for whom it is meant."""

    role: Role = "member"
    note: str = Field(default="", max_length=LONGEST_INVITATION_NOTE)
    days: int = Field(default=7, ge=1, le=30, strict=True)


class InvitationView(Document):
    """An invitation, without its link, which nobody can read again."""

    id: int
    role: Role
    note: str
    state: Literal["open", "used", "revoked", "expired"]
    created_by: str
    created_at: datetime
    expires_at: datetime
    used_by: str | None


class NewInvitation(Document):
    """An invitation that was just made. path: its link on this server, shown this once."""

    invitation: InvitationView
    path: str


class TokenEntry(Document):
    """An API token to make. days: how long it lasts; None: until it is revoked."""

    name: str = Field(min_length=1, max_length=LONGEST_TOKEN_NAME)
    scope: Literal["read", "write", "admin"] = "read"
    days: int | None = Field(default=90, ge=1, le=3650, strict=True)


class TokenView(Document):
    """An API token, without its secret."""

    id: int
    user: str
    name: str
    scope: Literal["read", "write", "admin"]
    state: Literal["valid", "revoked", "expired"]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class NewToken(Document):
    """A token that was just made. secret: what programs send, shown this once."""

    token: TokenView
    secret: str


class AuditView(Document):
    """Who did what, when, and how they came. user None: nobody that is known; team None: the installation itself."""

    id: int
    at: datetime
    team: str | None
    user: str | None
    means: str
    action: str
    target: str
    detail: dict[str, Any]
