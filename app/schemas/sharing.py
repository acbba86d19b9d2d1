"""How a study is shown to people who have no account: links that end by themselves, and reports that are published."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from app.schemas.document import Document

LONGEST_SHARE_NOTE = 200
MOST_SHARE_DAYS = 90
SHARE_DAYS = 14


class ShareRequest(Document):
    """Body of POST shares: a link that anybody reads the study's report by."""

    note: Annotated[str, Field(max_length=LONGEST_SHARE_NOTE)] = ""
    """For whom it is meant."""
    days: Annotated[int, Field(ge=1, le=MOST_SHARE_DAYS, strict=True)] = SHARE_DAYS
    """How long it works."""


class ShareView(Document):
    """A share link without what opens it."""

    id: int
    note: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None
    works: bool
    """It has neither expired nor been revoked."""


class NewShare(Document):
    """A share link that was just made."""

    share: ShareView
    path: str
    """What opens it, on this server. It is told this once; what is kept cannot be turned back into it."""


class PublicationView(Document):
    """A report that was published as it was."""

    id: int
    path: str
    """Where anybody reads it, on this server."""
    published_by: str
    published_at: datetime
    withdrawn_at: datetime | None
    changed_since: bool
    """The study's results are no longer those that the report tells."""
