"""API tokens: one's own for everybody, the whole team's for its administrators. Made and revoked by people only."""

from fastapi import APIRouter

from app.api.context import AsViewer, RowId
from app.api.gate import IDENTITY
from app.schemas import NewToken, Page, TokenEntry, TokenView
from app.services.accounts import tokens

router = APIRouter(prefix="/tokens", tags=[IDENTITY])


@router.get("")
def list_tokens(here: AsViewer) -> Page[TokenView]:
    """One's own tokens in the team, an administrator's the whole team's; the newest first."""
    listed = tokens.list_tokens(here.engine, here.caller)
    return Page(items=[tokens.token_view(token, user) for token, user in listed])


@router.post("", status_code=201)
def create_token(here: AsViewer, entry: TokenEntry) -> NewToken:
    """A token that acts for oneself in the team, never with more than one's own role. Its secret is told this once."""
    made, secret = tokens.create_token(here.engine, here.caller, entry.name, entry.scope, entry.days)
    listed = tokens.list_tokens(here.engine, here.caller)
    return NewToken(
        token=next(tokens.token_view(token, user) for token, user in listed if token.id == made), secret=secret
    )


@router.delete("/{token_id}", status_code=204)
def revoke_token(here: AsViewer, token_id: RowId) -> None:
    """Make a token useless, at once."""
    tokens.revoke_token(here.engine, here.caller, token_id)
