"""What a team says of a study: comments, tags, and whether its results are signed off."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from app.schemas.document import Document

LONGEST_COMMENT = 4_000
LONGEST_NOTE = 1_000
LONGEST_TAG = 40
MOST_TAGS = 20

ApprovalState = Literal["approved", "withdrawn"]


class CommentText(Document):
    """Body of POST and PATCH comments: plain text."""

    text: Annotated[str, Field(max_length=LONGEST_COMMENT)]


class CommentView(Document):
    """One comment. A deleted one keeps its place without its text."""

    id: int
    study_id: int
    user: str
    text: str
    created_at: datetime
    edited_at: datetime | None
    deleted_at: datetime | None
    own: bool
    """Whether the caller may change it."""


class Tags(Document):
    """Body of PUT studies/{id}/tags: all tags that the study is to have."""

    tags: Annotated[list[Annotated[str, Field(max_length=LONGEST_TAG)]], Field(max_length=MOST_TAGS)]


class ApprovalChange(Document):
    """Body of POST approvals: sign the results off, or take that back."""

    state: ApprovalState
    note: Annotated[str, Field(max_length=LONGEST_NOTE)] = ""


class ApprovalView(Document):
    """One approval or withdrawal."""

    id: int
    state: ApprovalState
    user: str
    note: str
    created_at: datetime
    changed_since: bool
    """The study's results are no longer those that were approved."""
