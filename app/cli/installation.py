"""The installation that a command works on: the one of this home, or the server that PEFT_ATLAS_URL names."""

from pathlib import Path
from typing import Protocol

from app.cli.at_home import AtHome
from app.cli.over_http import OverHttp
from app.schemas import ImportReport, StudyDocument, StudyView, WorkerView
from app.services.exports import Format
from app.services.imports.study_archive import ImportedStudy
from app.settings import Settings


class Installation(Protocol):
    """What commands ask of either; the answers are the same documents."""

    def create_study(self, document: StudyDocument) -> StudyView:
        """Queue a study."""

    def create_quickstart(self) -> StudyView:
        """Queue the quickstart study."""

    def finished_study(self, study_id: int) -> StudyView:
        """A study once none of its runs waits or runs."""

    def study_name(self, study_id: int) -> str:
        """What a study is called."""

    def export_study(self, study_id: int, kind: Format) -> str:
        """A study as a file's text."""

    def import_study(self, content: bytes) -> ImportedStudy:
        """Take over an exported study."""

    def import_hf_peft(self, folder: Path) -> ImportReport:
        """Take over published results."""

    def workers(self) -> list[WorkerView]:
        """The workers seen today, the newest first."""


def installation() -> Installation:
    """The one that the environment names."""
    settings = Settings()
    return AtHome(settings) if settings.url is None else OverHttp(settings.url, settings.api_token)
