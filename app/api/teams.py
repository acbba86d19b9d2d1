"""Teams of the installation, for operators; the members of one's own team, for its administrators."""

from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from app.api.context import AsAdmin, AsOperator, AsViewer
from app.api.gate import IDENTITY
from app.schemas import MemberEntry, MemberView, Page, RoleChoice, TeamEntry, TeamView
from app.services.accounts import teams

router = APIRouter(tags=[IDENTITY])

TeamName = Annotated[str, Path(max_length=100)]
UserName = Annotated[str, Path(max_length=200)]


@router.get("/teams")
def list_teams(here: AsOperator) -> Page[TeamView]:
    """Every team by name, with how many belong to it."""
    return Page(items=teams.list_teams(here.engine))


@router.post("/teams", status_code=201)
def create_team(here: AsOperator, response: Response, entry: TeamEntry) -> TeamView:
    """A new team, which whoever makes it administers at first."""
    made = teams.create_team(here.engine, here.caller, entry.slug)
    response.headers["location"] = f"/api/v1/teams/{made.slug}"
    return made


@router.post("/teams/{team}/members", status_code=201)
def add_member(here: AsOperator, request: Request, team: TeamName, entry: MemberEntry) -> MemberView:
    """Bring an existing user into any team, or give them another role there."""
    request.state.audited = {"user": entry.user, "role": entry.role}
    return teams.add_member(here.engine, here.caller, team, entry.user, entry.role)


@router.get("/team/members")
def list_members(here: AsViewer) -> Page[MemberView]:
    """Who belongs to one's own team, as what."""
    return Page(items=teams.members(here.engine, here.caller))


@router.patch("/team/members/{user}")
def change_role(here: AsAdmin, request: Request, user: UserName, choice: RoleChoice) -> MemberView:
    """Give a member of one's own team another role, at once. One administrator always stays."""
    request.state.audited = {"role": choice.role}
    return teams.set_role(here.engine, here.caller, user, choice.role)


@router.delete("/team/members/{user}", status_code=204)
def remove_member(here: AsAdmin, user: UserName) -> None:
    """Take a member out of one's own team. Their sessions and tokens show it no more; their account stays."""
    teams.remove_member(here.engine, here.caller, user)
