"""Users of the installation: list, make, disable, let in again, have them run it. For operators."""

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Path, Request, Response

from app.api.context import AsOperator
from app.api.gate import IDENTITY
from app.errors import NotFound
from app.schemas import Page, UserChange, UserEntry, UserView
from app.services.accounts import users
from app.services.accounts.rights import with_accounts

router = APIRouter(prefix="/users", tags=[IDENTITY])

UserName = Annotated[str, Path(max_length=200)]


@router.get("")
def list_users(here: AsOperator) -> Page[UserView]:
    """Every user by name, with their teams."""
    return Page(items=users.list_users(here.engine))


@router.post("", status_code=201)
def add_user(here: AsOperator, request: Request, response: Response, entry: UserEntry) -> UserView:
    """A user with a password, in a team. They change the password at their first visit; an invitation needs none."""
    with_accounts(here.caller)
    users.add_user(here.engine, entry.name, entry.password, operator=entry.operator, team=entry.team, role=entry.role)
    made = _user(here, entry.name)
    response.headers["location"] = f"/api/v1/users/{quote(made.name)}"
    request.state.audited = {"team": entry.team, "role": entry.role, "operator": entry.operator}
    return made


@router.patch("/{user}")
def change_user(here: AsOperator, request: Request, user: UserName, change: UserChange) -> UserView:
    """Keep a user out or let them in again; have them run the installation or no longer. One operator always stays."""
    if change.operator is not None:
        users.set_operator(here.engine, user, operator=change.operator)
    if change.disabled is not None:
        (users.disable_user if change.disabled else users.enable_user)(here.engine, user)
    request.state.audited = change.model_dump(exclude_none=True)
    return _user(here, user)


def _user(here: AsOperator, name: str) -> UserView:
    wanted = name.strip().lower()
    found = next((user for user in users.list_users(here.engine) if user.name == wanted), None)
    if found is None:
        raise NotFound(f"There is no user {name!r}.")
    return found
