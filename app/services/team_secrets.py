"""A team's token of the model hub: kept encrypted with the installation's key, read by the download step alone."""

import os
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken
from sqlalchemy import Engine, delete, select
from sqlalchemy.orm import Session

from app.db.identity import TeamSecret
from app.db.session import database_now, system_session, team_session, write_lock
from app.errors import Invalid, Unavailable
from app.schemas import HubTokenView
from app.services.callers import Caller
from app.settings import Settings

KIND = "hub_token"
KEY_FILE = "secret-key"


def hub_token_view(engine: Engine, caller: Caller) -> HubTokenView:
    """Whether the team has a token of its own, and who set it when; never the token."""
    with team_session(engine, caller.team_id) as session:
        return _view(_secret(session))


def set_hub_token(engine: Engine, settings: Settings, caller: Caller, token: str) -> HubTokenView:
    """Keep a token for the team in the place of the one it had."""
    wanted = token.strip()
    if not (wanted.isascii() and wanted.isprintable() and wanted) or " " in wanted:
        # Never with what was given: a refusal is shown and may be logged.
        raise Invalid("This is not a token. Copy it again from the hub's page, as one line.", field="token")
    sealed = Fernet(secret_key(settings)).encrypt(wanted.encode())
    with team_session(engine, caller.team_id) as session:
        write_lock(session)
        session.execute(delete(TeamSecret).where(TeamSecret.kind == KIND))
        made = TeamSecret(kind=KIND, ciphertext=sealed, created_by=caller.user, created_at=database_now(session))
        session.add(made)
        session.flush()
        return _view(made)


def clear_hub_token(engine: Engine, caller: Caller) -> None:
    """Forget the team's token: from now on its runs go with the installation's, where there is one."""
    with team_session(engine, caller.team_id) as session:
        session.execute(delete(TeamSecret).where(TeamSecret.kind == KIND))


def read_hub_token(engine: Engine, settings: Settings, team_id: int) -> str | None:
    """The token that a team's downloads go with; None: the installation's. Raises Unavailable where the key that it
    was encrypted with is not this installation's."""
    with system_session(engine) as session:
        wanted = select(TeamSecret.ciphertext).where(TeamSecret.team_id == team_id, TeamSecret.kind == KIND)
        sealed = session.scalar(wanted)
    if sealed is None:
        return None
    try:
        return Fernet(secret_key(settings)).decrypt(sealed).decode()
    except InvalidToken:
        raise Unavailable(
            "The team's hub token was encrypted with another key than this machine has. Give web and workers the same"
            f" key ({_where(settings)}), or have an administrator of the team set the token again."
        ) from None


def secret_key(settings: Settings) -> bytes:
    """The installation's key, made at the first time in a file of the home that nobody else can read.

    Raises Unavailable where a file that the settings name, or one that is there, holds none.
    """
    file = settings.secret_key_file or settings.home_folder / KEY_FILE
    if settings.secret_key_file is None and not file.exists():
        _make(file)
    key = file.read_bytes().strip()
    try:
        Fernet(key)
    except ValueError:
        raise Unavailable(
            f"{_where(settings)} holds no key. It is 32 random bytes in URL-safe base64, as Fernet has them."
        ) from None
    return key


def _make(file: Path) -> None:
    """Whole or not at all: of two processes that come at once, both read the key of the first."""
    file.parent.mkdir(parents=True, exist_ok=True)
    begun = file.with_name(f".{file.name}-{os.getpid()}")
    descriptor = os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as opened:
        opened.write(Fernet.generate_key())
        opened.flush()
        os.fsync(opened.fileno())
    try:
        os.link(begun, file)
    except FileExistsError:
        pass
    finally:
        begun.unlink()


def _where(settings: Settings) -> str:
    return "the file of PEFT_ATLAS_SECRET_KEY_FILE" if settings.secret_key_file else f"{KEY_FILE} in the home folder"


def _secret(session: Session) -> TeamSecret | None:
    return session.scalar(select(TeamSecret).where(TeamSecret.kind == KIND))


def _view(secret: TeamSecret | None) -> HubTokenView:
    if secret is None:
        return HubTokenView(is_set=False, set_by=None, set_at=None)
    return HubTokenView(is_set=True, set_by=secret.created_by, set_at=secret.created_at)
