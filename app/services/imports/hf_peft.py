"""Hugging Face's method comparison as studies: one for each suite, one configuration and one run for each experiment.

What a study has already is left alone. A file that tells an experiment otherwise than before makes a new run in place
of the old one, which stays as it was.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from app.db.session import team_session, write_lock
from app.db.tables import Team
from app.language import tr
from app.schemas import ImportReport, RefusedFile
from app.services.callers import Caller
from app.services.imports.hf_files import ResultFile
from app.services.imports.hf_methods import method_of
from app.services.imports.hf_result import HfResult, RefusedResult, parse_result
from app.services.imports.hf_scores import folder_of, suite_of
from app.services.imports.hf_study import SuiteStudy, find_study, new_study

FILES_A_TRANSACTION = 50
BYTES_A_TRANSACTION = 2_000_000
ReadFile = tuple[ResultFile, HfResult | RefusedResult]
LONGEST_NAME = 200


def import_results(engine: Engine, caller: Caller, files: Sequence[ResultFile]) -> ImportReport:
    """Import result files, of which each ends up imported, unchanged or refused with the reason.

    Some files at a time are read, held and written in one transaction; those written stay where a later one fails.
    """
    importing = _Importing()
    for read in _read_in_batches(files):
        with team_session(engine, caller.team_id) as session:
            _alone(session, caller)
            importing.take(session, caller, read)
    return importing.report()


def _read_in_batches(files: Sequence[ResultFile]) -> Iterator[Sequence[ReadFile]]:
    """The files as they were read, only so many held at a time."""
    held: list[ReadFile] = []
    size = 0
    for file in files:
        try:
            data = file.read()
            size += len(data)
            held.append((file, parse_result(data)))
        except RefusedResult as refused:
            held.append((file, refused))
        if len(held) >= FILES_A_TRANSACTION or size >= BYTES_A_TRANSACTION:
            yield held
            held, size = [], 0
    yield held


def _alone(session: Session, caller: Caller) -> None:
    """No other import of the team reads what this one is about to write."""
    write_lock(session)
    # Not its key: what others write about the team's studies refers to that.
    session.execute(select(Team.id).where(Team.id == caller.team_id).with_for_update(key_share=True))


@dataclass
class _Importing:
    """What became of the files so far."""

    imported: int = 0
    unchanged: int = 0
    refused: list[RefusedFile] = field(default_factory=list)
    study_ids: set[int] = field(default_factory=set)
    told: dict[tuple[int, str], tuple[str, str]] = field(default_factory=dict)
    """(study, experiment) -> the file that told it in this import, and its content."""

    def take(self, session: Session, caller: Caller, read: Sequence[ReadFile]) -> None:
        """Write what was read of some files, in the session's transaction."""
        studies: dict[str, SuiteStudy] = {}
        for file, result in read:
            try:
                if isinstance(result, RefusedResult):
                    raise result
                self._take_one(session, caller, studies, file, result)
            except RefusedResult as refused:
                self.refused.append(RefusedFile(file=file.name, reason=f"It {refused}."))
        for study in studies.values():
            study.describe()

    def _take_one(
        self, session: Session, caller: Caller, studies: dict[str, SuiteStudy], file: ResultFile, result: HfResult
    ) -> None:
        method = method_of(result)
        study = _study(session, caller, studies, file, result)
        known = self.told.get((study.id, result.experiment))
        if known is not None and known[1] != result.sha256:
            raise RefusedResult(
                tr(
                    "tells {experiment} otherwise than {known}, which is imported",
                    experiment=result.experiment,
                    known=known[0],
                )
            )
        new = study.take(result, method, file.name)
        self.told.setdefault((study.id, result.experiment), (file.name, result.sha256))
        self.study_ids.add(study.id)
        self.imported, self.unchanged = self.imported + new, self.unchanged + (not new)

    def report(self) -> ImportReport:
        return ImportReport(
            imported=self.imported,
            unchanged=self.unchanged,
            refused=self.refused,
            study_ids=sorted(self.study_ids),
        )


def _study(
    session: Session, caller: Caller, studies: dict[str, SuiteStudy], file: ResultFile, result: HfResult
) -> SuiteStudy:
    """The study that a file belongs to, made where there is none; raises RefusedResult where that cannot be told."""
    scored = suite_of(result, file.folder)
    folder = file.folder or (folder_of(scored) if scored is not None else None)
    if folder is None:
        raise RefusedResult(tr("stands in no folder that names its suite; put it into MetaMathQA/results or the like"))
    if not folder.strip() or not folder.isprintable() or len(folder) > LONGEST_NAME:
        raise RefusedResult(tr("stands in a folder whose name cannot be a study's"))
    if folder not in studies and (found := find_study(session, folder)) is not None:
        studies[folder] = found
    if folder not in studies:
        if scored is None:
            raise RefusedResult(tr("does not say what it is scored by: it has neither an accuracy nor a similarity"))
        studies[folder] = new_study(session, caller.user, folder, scored)
    if scored is not None and scored.score != studies[folder].suite.score:
        raise RefusedResult(
            tr(
                "is scored by {headline}, unlike the other results of {folder}",
                headline=scored.score.headline,
                folder=folder,
            )
        )
    return studies[folder]
