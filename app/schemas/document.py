"""Bases of every document, and the words they share."""

from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T")

RunStatus = Literal["queued", "running", "succeeded", "failed", "cancelled"]
StudyStatus = RunStatus
SourceKind = Literal["measured", "imported", "estimated"]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class Document(BaseModel):
    """Base of every document: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class Page(Document, Generic[T]):
    """One page of a list; `next_cursor` None at its end."""

    items: list[T]
    next_cursor: str | None = None
