"""Documents of who is logged in."""

from typing import Literal

from pydantic import Field

from app.schemas.document import Document

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
