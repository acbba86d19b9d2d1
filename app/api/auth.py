"""Logging in and out, and who one is."""

from fastapi import APIRouter, Request, Response

from app.api.context import AsAnyone, AsViewer, Context
from app.api.gate import IDENTITY
from app.api.session_cookie import address_of, forget_session, keep_session
from app.errors import Forbidden
from app.schemas import LogIn, PasswordChange, SessionView, TeamChoice, TeamOfMine
from app.services.accounts import sessions
from app.services.accounts.sessions import NewSession

router = APIRouter(prefix="/auth", tags=[IDENTITY])


@router.post("/login")
def log_in(here: AsAnyone, request: Request, response: Response, body: LogIn) -> SessionView:
    """Begin a session, whose cookie the answer sets. Ten tries a minute for a name and for an address."""
    made = sessions.log_in(here.engine, body.name, body.password, address_of(request))
    keep_session(response, request, made.token)
    found = sessions.find_session(here.engine, made.token)
    assert found is not None, "a session that has just begun"
    return session_view(Context(here.settings, here.engine, found.caller), made)


@router.post("/logout", status_code=204)
def log_out(here: AsAnyone, request: Request, response: Response) -> None:
    """End the session of the request's cookie."""
    forget_session(here.engine, request, response)


@router.post("/logout-everywhere", status_code=204)
def log_out_everywhere(here: AsViewer) -> None:
    """End every session of one's own, this one too. Tokens stay."""
    sessions.log_out_everywhere(here.engine, here.caller)


@router.get("/session")
def read_session(here: AsViewer) -> SessionView:
    """Who the caller is, in which team, as what."""
    return session_view(here)


@router.post("/password")
def change_password(here: AsViewer, request: Request, response: Response, body: PasswordChange) -> SessionView:
    """Give oneself another password. Every session of one's own ends; the answer sets a new one's cookie."""
    if here.caller.means != "session":
        raise Forbidden("A password is changed by whoever is logged in with it, not by a token.")
    made = sessions.change_password(here.engine, here.caller, body.present, body.new, address_of(request))
    keep_session(response, request, made.token)
    return session_view(here, made)


@router.put("/team")
def choose_team(here: AsViewer, request: Request, choice: TeamChoice) -> SessionView:
    """Show another of one's own teams from now on."""
    token = request.state.credentials.session
    if here.caller.means != "session" or token is None:
        raise Forbidden("A token belongs to one team. Make one in the other team.")
    sessions.choose_team(here.engine, here.caller, token, choice.team)
    found = sessions.find_session(here.engine, token)
    assert found is not None, "a session that was found just now"
    return session_view(Context(here.installation, here.engine, found.caller))


def session_view(here: Context, made: NewSession | None = None) -> SessionView:
    """A caller as the API tells of them."""
    caller = here.caller
    return SessionView(
        accounts=caller.user_id is not None,
        user=caller.user,
        team=caller.team,
        role=caller.role,
        operator=caller.operator,
        read_only=caller.read_only,
        teams=[TeamOfMine(name=name, role=role) for name, role in sessions.teams_of(here.engine, caller)],
        csrf_token=made.csrf_token if made else None,
    )
