"""What every route needs: the settings, the database and who asks; and with it, who may ask at all.

A route declares its policy by the context it takes, exactly one of AsAnyone, AsViewer, AsMember, AsAdmin, AsOperator.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal

from fastapi import Depends, Request
from pydantic import Field
from sqlalchemy import Engine

from app.errors import Forbidden, Unauthenticated
from app.services.callers import Caller
from app.services.team_settings import settings_of
from app.settings import Settings

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
MAY_NOT = {
    "member": "A viewer may look and change nothing. Ask an administrator of your team for the role member.",
    "admin": "Only an administrator of your team may do this.",
}


@dataclass(frozen=True)
class OpenContext:
    """One application's settings and engine, with the caller of this request, None where nobody is known."""

    settings: Settings
    engine: Engine
    caller: Caller | None


@dataclass(frozen=True)
class Context:
    """One application's settings and engine, with the caller of this request."""

    installation: Settings
    engine: Engine
    caller: Caller

    @cached_property
    def settings(self) -> Settings:
        """The installation's, as the caller's team meets them."""
        return settings_of(self.engine, self.installation, self.caller.team_id)


@dataclass(frozen=True)
class Policy:
    """Who may use a route: as a dependency it gives the route its context, or refuses."""

    who: Literal["anyone", "viewer", "member", "admin", "operator"]

    async def __call__(self, request: Request) -> OpenContext | Context:
        settings, engine = request.app.state.settings, request.app.state.engine
        caller: Caller | None = request.state.caller
        request.state.policy = self.who
        if self.who == "anyone":
            return OpenContext(settings, engine, caller)
        if caller is None:
            raise Unauthenticated("Log in, or send an API token as 'Authorization: Bearer TOKEN'.")
        if self.who == "operator":
            if not caller.operator:
                raise Forbidden("Only an operator of this installation may do this.")
        elif not caller.may(self.who):
            raise Forbidden(MAY_NOT[self.who])
        if caller.read_only and self.who != "viewer" and request.method not in SAFE_METHODS:
            raise Forbidden("This token, or this page, may read only. Use a token of the scope 'write'.")
        return Context(settings, engine, caller)


AsAnyone = Annotated[OpenContext, Depends(Policy("anyone"))]
AsViewer = Annotated[Context, Depends(Policy("viewer"))]
AsMember = Annotated[Context, Depends(Policy("member"))]
AsAdmin = Annotated[Context, Depends(Policy("admin"))]
AsOperator = Annotated[Context, Depends(Policy("operator"))]

RowId = Annotated[int, Field(ge=1, le=2**63 - 1)]
"""The id of a row: a larger number names nothing and does not fit a column."""
