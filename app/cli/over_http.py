"""An installation through its API, by whoever has a token."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TypeVar

from pydantic import ValidationError

from app.cli.terminal import stop
from app.client import AtlasClient
from app.schemas import ImportReport, RefusedFile, StudyDocument, StudyView, WorkerView
from app.services.exports import Format
from app.services.imports.hf_files import ResultFile, files_of_folder
from app.services.imports.hf_result import RefusedResult
from app.services.imports.study_archive import ImportedStudy

T = TypeVar("T")
FILES_A_REQUEST, BYTES_A_REQUEST = 200, 10_000_000
"""Half of what a server takes at once."""


class OverHttp:
    """The server at `url`, asked with a token."""

    def __init__(self, url: str, token: str | None) -> None:
        self._url, self._token = url, token

    def create_study(self, document: StudyDocument) -> StudyView:
        return self._ask(lambda client: client.create_study(document))

    def create_quickstart(self) -> StudyView:
        return self._ask(lambda client: client.create_quickstart())

    def finished_study(self, study_id: int) -> StudyView:
        return self._ask(lambda client: client.wait_for_study(study_id))

    def study_name(self, study_id: int) -> str:
        return self._ask(lambda client: client.study(study_id)).name

    def export_study(self, study_id: int, kind: Format) -> str:
        return self._ask(lambda client: client.export_study(study_id, kind))

    def import_study(self, content: bytes) -> ImportedStudy:
        study, new = self._ask(lambda client: client.import_study_once(content))
        return ImportedStudy(study.id, new)

    def import_hf_peft(self, folder: Path) -> ImportReport:
        unread: list[RefusedFile] = []
        whole = ImportReport(imported=0, unchanged=0, refused=[], study_ids=[])
        for part in _parts(files_of_folder(folder), unread):
            sent = {_path(file): content for file, content in part}
            names = {_path(file): file.name for file, _ in part}
            whole = _added(whole, self._ask(partial(AtlasClient.import_hf_peft, files=sent)), names)
        refused = sorted([*unread, *whole.refused], key=lambda found: found.file)
        return whole.model_copy(update={"refused": refused})

    def workers(self) -> list[WorkerView]:
        return self._ask(lambda client: client.devices())

    def _ask(self, question: Callable[[AtlasClient], Awaitable[T]]) -> T:
        async def answer() -> T:
            async with AtlasClient.at(self._url, self._token) as client:
                return await question(client)

        try:
            return asyncio.run(answer())
        except ValidationError:
            stop(f"{self._url} answers, but not as this version of PEFT Atlas does. Is the address right?")


Part = list[tuple[ResultFile, bytes]]


def _parts(files: Sequence[ResultFile], unread: list[RefusedFile]) -> Iterator[Part]:
    """The files with their bytes, as many as a request takes; what cannot be read joins `unread`."""
    part: Part = []
    for file in files:
        try:
            part.append((file, file.read()))
        except RefusedResult as reason:
            unread.append(RefusedFile(file=file.name, reason=f"It {reason}."))
        if len(part) >= FILES_A_REQUEST or sum(len(content) for _, content in part) >= BYTES_A_REQUEST:
            yield part
            part = []
    if part:
        yield part


def _path(file: ResultFile) -> str:
    """With the suite's folder, by which the server knows the study."""
    name = PurePosixPath(file.name).name
    return f"{file.folder}/results/{name}" if file.folder else name


def _added(whole: ImportReport, report: ImportReport, names: dict[str, str]) -> ImportReport:
    refused = [RefusedFile(file=names.get(found.file, found.file), reason=found.reason) for found in report.refused]
    return ImportReport(
        imported=whole.imported + report.imported,
        unchanged=whole.unchanged + report.unchanged,
        refused=whole.refused + refused,
        study_ids=sorted({*whole.study_ids, *report.study_ids}),
    )
