"""Invitations into one's own team, for its administrators. They are accepted at the page of app/api/joining.py."""

from fastapi import APIRouter, Request, Response

from app.api.context import AsAdmin, RowId
from app.api.gate import IDENTITY
from app.schemas import InvitationEntry, InvitationView, NewInvitation, Page
from app.services.accounts import invitations

router = APIRouter(prefix="/invitations", tags=[IDENTITY])


@router.get("")
def list_invitations(here: AsAdmin) -> Page[InvitationView]:
    """The team's invitations, the newest first."""
    return Page(items=invitations.list_invitations(here.engine, here.caller))


@router.post("", status_code=201)
def create_invitation(here: AsAdmin, request: Request, response: Response, entry: InvitationEntry) -> NewInvitation:
    """An invitation for one person, with its link, which is told this once."""
    made = invitations.create_invitation(here.engine, here.caller, entry)
    response.headers["location"] = f"/api/v1/invitations/{made.invitation.id}"
    request.state.audited = {"role": entry.role, "note": made.invitation.note}
    return made


@router.delete("/{invitation_id}", status_code=204)
def revoke_invitation(here: AsAdmin, invitation_id: RowId) -> None:
    """Make an invitation's link useless."""
    invitations.revoke_invitation(here.engine, here.caller, invitation_id)
