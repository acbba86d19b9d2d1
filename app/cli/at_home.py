"""An installation through its own database, by whoever may write to its home."""

import time
from pathlib import Path

from app.cli.terminal import migrated
from app.schemas import ImportReport, StudyDocument, StudyView, WorkerView
from app.services import exports, results, studies, workers
from app.services.callers import COMMAND, LOCAL
from app.services.imports import study_archive
from app.services.imports.hf_files import files_of_folder
from app.services.imports.hf_peft import import_results
from app.settings import Settings


class AtHome:
    """The services, asked in this process."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._engine = settings, migrated(settings)

    def create_study(self, document: StudyDocument) -> StudyView:
        study_id = studies.create_study(self._engine, self._settings, LOCAL, document)
        return results.study_view(self._engine, LOCAL, study_id)

    def create_quickstart(self) -> StudyView:
        return self.create_study(studies.quickstart_document())

    def finished_study(self, study_id: int) -> StudyView:
        while True:
            view = results.study_view(self._engine, LOCAL, study_id)
            if view.status not in ("queued", "running"):
                return view
            time.sleep(1)

    def study_name(self, study_id: int) -> str:
        return results.study_view(self._engine, LOCAL, study_id).name

    def export_study(self, study_id: int, kind: exports.Format) -> str:
        return exports.export_study(self._engine, LOCAL, study_id, kind)

    def import_study(self, content: bytes) -> study_archive.ImportedStudy:
        return study_archive.import_study(self._engine, LOCAL, content)

    def import_hf_peft(self, folder: Path) -> ImportReport:
        return import_results(self._engine, LOCAL, files_of_folder(folder))

    def workers(self) -> list[WorkerView]:
        return workers.list_workers(self._engine, COMMAND)
