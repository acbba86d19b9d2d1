"""All that a report tells, read once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from app.db.tables import Run
from app.matrix import Matrix
from app.schemas import StudyView
from app.services.exports.conditions import Conditions


@dataclass(frozen=True)
class Content:
    """yaml: the document that makes the study again."""

    view: StudyView
    matrix: Matrix
    conditions: Conditions
    yaml: str
    product_version: str
    written_at: datetime

    @property
    def failed(self) -> Sequence[Run]:
        """Every run that failed, also those that were tried again since."""
        return [run for run in self.conditions.runs if run.status == "failed"]
