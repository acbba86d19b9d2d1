"""What a team has of its own: how much it may take of the installation, and its token of the model hub."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, SecretStr

from app.schemas.document import Document

LARGEST_LIMIT = 2**62


class TeamLimits(Document):
    """Body of PUT teams/{id}/limits. None: no limit."""

    most_queued_runs: Annotated[int, Field(ge=0, le=LARGEST_LIMIT, strict=True)] | None
    most_disk_bytes: Annotated[int, Field(ge=0, le=LARGEST_LIMIT, strict=True)] | None


class TeamQuota(TeamLimits):
    """What a team may take, and what it takes now."""

    id: int
    team: str
    queued_runs: int
    """Its runs that wait."""
    disk_bytes: int
    """What its datasets and its runs' files keep on the disk, each file of the store counted once."""


class HubToken(Document):
    """Body of PUT team/hub-token."""

    token: Annotated[SecretStr, Field(min_length=1, max_length=1_000)]


class HubTokenView(Document):
    """Whether a team has a hub token of its own. The token itself is never told."""

    is_set: bool
    set_by: str | None
    set_at: datetime | None
