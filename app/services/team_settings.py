"""The installation's settings as one team meets them: the datasets that it may name, and the hub with its own token."""

from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Engine, select

from app.db.session import system_session
from app.db.tables import Dataset
from app.services import team_secrets
from app.settings import Settings
from peft_core.hub_access import Hub

UPLOADS = "teams"
"""The folder under the home's datasets that has one for each team's uploads; the same under its models, for what is put
there for one team."""
FIRST_TEAM = 1


def settings_of(engine: Engine, settings: Settings, team_id: int) -> Settings:
    """What every use case goes by that reads what a team names.

    Raises Unavailable where the team has a token of its own that cannot be decrypted here.
    """
    return settings.for_team(_hub(engine, settings, team_id), _others(engine, settings, team_id))


def uploads_of(team_id: int) -> str:
    """Where a team's uploads lie under the home's datasets."""
    return f"{UPLOADS}/{team_id}"


def _hub(engine: Engine, settings: Settings, team_id: int) -> Hub | None:
    """The hub with the team's token, and with a cache that is not shared: what that token was let in to is the
    team's alone. None: the installation's."""
    token = team_secrets.read_hub_token(engine, settings, team_id)
    if token is None:
        return None
    shared = settings.hub
    return Hub(shared.endpoint, settings.home_folder / "hub" / UPLOADS / str(team_id), token, shared.offline)


def _others(engine: Engine, settings: Settings, team_id: int) -> Callable[[Path], bool]:
    """Whether a resolved path is another team's dataset or model. What lies beside their folders is everybody's."""
    datasets, models = ((settings.home_folder / kind).resolve() for kind in ("datasets", "models"))
    early = _early_uploads(engine) if team_id != FIRST_TEAM else frozenset()
    own = (UPLOADS, str(team_id))

    def of_another(path: Path) -> bool:
        for folder in (datasets, models):
            if path.is_relative_to(folder) and path.relative_to(folder).parts[:1] == (UPLOADS,):
                return path.relative_to(folder).parts[:2] != own
        return path.parent == datasets and path.name in early

    return of_another


def _early_uploads(engine: Engine) -> frozenset[str]:
    """The first team's files from before teams had folders of their own."""
    with system_session(engine) as session:
        files = session.scalars(select(Dataset.file).where(Dataset.team_id == FIRST_TEAM))
        return frozenset(file for file in files if "/" not in file)
