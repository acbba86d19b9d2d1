"""Study documents that are kept to start from, and written as text."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from app.schemas.document import Document, Name
from app.schemas.studies import StudyDocument

MOST_YAML_CHARACTERS = 200_000


class TemplateEntry(Document):
    """Body of POST templates."""

    name: Name
    document: StudyDocument


class TemplateView(Document):
    """A study document that the team keeps to start from."""

    id: int
    name: str
    document: StudyDocument
    created_at: datetime
    created_by: str


class StudyText(Document):
    """A study document as YAML."""

    yaml: Annotated[str, Field(max_length=MOST_YAML_CHARACTERS)]
