"""A team's own token of the model hub."""

from fastapi import APIRouter

from app.api.context import AsAdmin, AsViewer
from app.schemas import HubToken, HubTokenView
from app.services import team_secrets

router = APIRouter(prefix="/team/hub-token", tags=["team"])


@router.get("")
def read_hub_token(here: AsViewer) -> HubTokenView:
    """Whether the team has one, and who set it when."""
    return team_secrets.hub_token_view(here.engine, here.caller)


@router.put("")
def set_hub_token(here: AsAdmin, body: HubToken) -> HubTokenView:
    """Set it, or replace it: what the team's studies download goes with it instead of the installation's. It is kept
    encrypted and is not told again."""
    return team_secrets.set_hub_token(here.engine, here.installation, here.caller, body.token.get_secret_value())


@router.delete("", status_code=204)
def clear_hub_token(here: AsAdmin) -> None:
    """Forget it."""
    team_secrets.clear_hub_token(here.engine, here.caller)
