"""What every route needs: the settings, the database and who asks."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request
from pydantic import Field
from sqlalchemy import Engine

from app.services.callers import LOCAL, Caller
from app.settings import Settings


@dataclass(frozen=True)
class Context:
    """One application's settings and engine, with the caller of this request."""

    settings: Settings
    engine: Engine
    caller: Caller


def request_context(request: Request) -> Context:
    """The context of a request. Without accounts, whoever reaches the loopback address is the local user."""
    return Context(request.app.state.settings, request.app.state.engine, LOCAL)


Here = Annotated[Context, Depends(request_context)]

RowId = Annotated[int, Field(ge=1, le=2**63 - 1)]
"""The id of a row: a larger number names nothing and does not fit a column."""
