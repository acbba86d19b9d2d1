"""An exported study gives the same cells wherever it is imported, and importing it again changes nothing."""

import io
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select

from app.db.session import make_engine, system_session
from app.db.tables import Run, Study
from app.errors import Conflict
from app.schemas import MethodEntry, StudyDocument, StudyExtension
from app.services import results, run_queue, runs, studies
from app.services.callers import LOCAL
from app.services.exports import export_study
from app.services.extend import extend_study
from app.services.imports.hf_files import uploaded_files
from app.services.imports.hf_peft import import_results
from app.services.imports.study_archive import UNFINISHED, import_study
from app.settings import Settings
from peft_core.spec import RunResult, RunSpec
from tests.app.services import exported
from tests.app.services.exported import archive, nothing_changes
from tests.app.services.imports import result_files
from tests.databases import on_both_databases

pytestmark = on_both_databases

Make = Callable[[Engine], int]


# -- the same cells ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "make",
    [exported.finished, exported.of_losses, exported.with_retries, exported.trained_together, exported.halved],
)
def test_the_cells_are_identical(engine: Engine, make: Make) -> None:
    original = make(engine)
    found = import_study(engine, LOCAL, archive(engine, original))
    assert found.new
    first, second = (results.comparison(engine, LOCAL, study) for study in (original, found.study_id))
    assert exported.told(engine, first) == exported.told(engine, second)
    assert [cell.values for cell in first.cells] == [cell.values for cell in second.cells]


def test_a_first_rung_is_taken_over_beside_what_came_of_it(engine: Engine) -> None:
    original = exported.halved(engine)
    found = import_study(engine, LOCAL, archive(engine, original)).study_id
    again = import_study(engine, LOCAL, archive(engine, found)).study_id
    for study in (original, found, again):
        row = next(row for row in results.comparison(engine, LOCAL, study).configurations if row.method == "lora")
        assert [(point.learning_rate, point.rung_steps) for point in row.tuning] == [
            *((rate, 38) for rate in (2e-4, 5e-4, 1e-3, 2e-3, 5e-3)),
            *((rate, None) for rate in (1e-3, 2e-3)),
        ]
        assert results.study_view(engine, LOCAL, study).document.tuning == "halving"


def test_a_file_of_a_full_grid_is_what_it_was_before_there_were_first_rungs(engine: Engine) -> None:
    content = json.loads(archive(engine, exported.finished(engine)))
    assert not any("rung_steps" in run for run in content["results"]["runs"])
    without = dict(content)
    assert without.pop("tuning") == "grid"
    first, second = (import_study(engine, LOCAL, json.dumps(one).encode()) for one in (content, without))
    assert (second.study_id, second.new) == (first.study_id, False)


def test_what_makes_cells_interesting_is_among_them(engine: Engine) -> None:
    """The studies above would show little if they had no differences, bounds or failures."""
    first = results.comparison(engine, LOCAL, exported.finished(engine))
    assert {difference.verdict for difference in first.differences} == {"tie", "worse"}
    assert any(cell.at_least is not None for cell in first.cells)
    assert any(cell.failures for cell in first.cells)
    lower = results.comparison(engine, LOCAL, exported.of_losses(engine))
    assert {cell.better for cell in lower.cells if cell.metric == "task_performance"} == {"lower"}
    assert any(cell.values for cell in lower.cells if cell.metric == "time_to_target")
    assert {difference.verdict for difference in lower.differences} == {"tie", "worse"}
    retried = results.comparison(engine, LOCAL, exported.with_retries(engine))
    assert not any(cell.failures for cell in retried.cells)
    assert any("versions of torch" in flag for flag in retried.flags)


def test_an_import_can_be_exported_and_imported_again(engine: Engine) -> None:
    original = exported.with_retries(engine)
    once = import_study(engine, LOCAL, archive(engine, original)).study_id
    twice = import_study(engine, LOCAL, archive(engine, once)).study_id
    assert once != twice
    comparisons = [results.comparison(engine, LOCAL, study) for study in (original, twice)]
    assert exported.told(engine, comparisons[0]) == exported.told(engine, comparisons[1])
    with system_session(engine) as session:
        origin = session.get_one(Study, twice).origin
    assert origin is not None
    assert (origin["study"], origin["origin"]["study"]) == (once, original)


def test_runs_say_that_they_were_not_measured_here(engine: Engine) -> None:
    original = exported.finished(engine)
    found = import_study(engine, LOCAL, archive(engine, original)).study_id
    with system_session(engine) as session:
        study = session.get_one(Study, found)
        made = session.scalars(select(Run).where(Run.study_id == found)).all()
        assert {run.source for run in made} == {"imported"}
        assert {run.origin["source"] for run in made if run.origin} == {"measured"}
        assert study.origin is not None
        assert (study.origin["study"], study.origin["created_by"]) == (original, "local")
        assert {run.origin["study_sha256"] for run in made if run.origin} == {study.origin["sha256"]}


def test_runs_that_had_not_ended_are_cancelled(engine: Engine) -> None:
    original = exported.interrupted(engine)
    found = import_study(engine, LOCAL, archive(engine, original)).study_id
    with system_session(engine) as session:
        unfinished = session.scalars(select(Run).where(Run.study_id == found, Run.reason == UNFINISHED)).all()
        assert [run.status for run in unfinished] == ["cancelled", "cancelled"]
        waiting = select(func.count()).where(Run.study_id == found, Run.status.in_(("queued", "running")))
        assert session.scalar(waiting) == 0
    view = results.study_view(engine, LOCAL, found)
    assert (view.status, view.counts.cancelled) == ("succeeded", 2)


def test_nothing_of_an_imported_study_is_ever_queued(engine: Engine, settings: Settings) -> None:
    found = import_study(engine, LOCAL, archive(engine, exported.finished(engine))).study_id
    with system_session(engine) as session:
        failed = session.scalars(select(Run.id).where(Run.study_id == found, Run.status == "failed")).one()
    with nothing_changes(engine):
        with pytest.raises(Conflict, match="imported"):
            runs.retry_run(engine, LOCAL, failed)
        with pytest.raises(Conflict, match="imported"):
            extend_study(engine, settings, LOCAL, found, StudyExtension(seeds=5))


def test_what_a_worker_was_given_comes_along_without_its_folders(engine: Engine, settings: Settings) -> None:
    entry = MethodEntry(method="lora", hyperparameters={"rank": 4}, learning_rates=[1e-3])
    document = StudyDocument(name="One run", seeds=1, methods=[entry], references=[], metrics=["task_performance"])
    study = studies.create_study(engine, settings, LOCAL, document)
    with system_session(engine) as session:
        worker = run_queue.register_worker(session, "test:1", "cpu", {})
        claim = run_queue.claim_next_run(session, worker, store=settings.store_folder, lease_seconds=30, alone=True)
        assert claim is not None
        result = RunResult(validation_score=0.5, train_seconds=1, artifacts=(), environment={"torch": "2.13.0"})
        run_queue.finish_run(session, claim, result, ())
    content = archive(engine, study)
    assert str(settings.home_folder).encode() not in content
    found = import_study(engine, LOCAL, content).study_id
    with system_session(engine) as session:
        run = session.scalars(select(Run).where(Run.study_id == found, Run.status == "succeeded")).one()
        assert run.spec is not None
        given = RunSpec.model_validate(run.spec)
    assert (given.method, given.learning_rate, given.seed) == ("lora", 1e-3, claim.spec.seed)
    assert (len(given.base_model.parts), len(given.task.dataset.parts)) == (1, 1)
    detail = runs.run_detail(engine, LOCAL, run.id)
    assert [(attempt.worker, attempt.outcome) for attempt in detail.attempts] == [("test:1", "succeeded")]


def test_the_file_holds_no_folder_of_the_machine_that_wrote_it(engine: Engine) -> None:
    study = exported.finished(engine)
    with system_session(engine) as session:
        stored = session.get_one(Study, study)
        stored.task = stored.task | {"dataset": "/elsewhere/somebody/data/tweets.csv"}
        run = session.scalars(select(Run)).first()
        assert run is not None
        run.spec = {"base_model": "/elsewhere/somebody/m", "folder": "/elsewhere/somebody/s", "task": stored.task}
    assert "somebody" not in archive(engine, study).decode()


def test_published_results_that_were_imported_are_exported_like_any_others(engine: Engine) -> None:
    document = result_files.result(run_info__peft_config__peft_type="NOVEL")
    files = {"MetaMathQA/results/a.json": document, "MetaMathQA/results/b.json": result_files.result("full/llama")}
    parts = [(name, io.BytesIO(json.dumps(told).encode()).read) for name, told in files.items()]
    (published,) = import_results(engine, LOCAL, uploaded_files(parts)).study_ids
    found = import_study(engine, LOCAL, archive(engine, published))
    first, second = (results.comparison(engine, LOCAL, study) for study in (published, found.study_id))
    assert exported.told(engine, first) == exported.told(engine, second)
    assert "external" in {row.family for row in second.configurations}
    for kind in ("csv", "md", "yaml", "html"):
        assert "MetaMathQA" in export_study(engine, LOCAL, published, kind) or kind == "csv"


# -- the same file again ----------------------------------------------------------------------------------------------


def test_the_same_file_changes_nothing_again(engine: Engine) -> None:
    content = archive(engine, exported.finished(engine))
    first = import_study(engine, LOCAL, content)
    with nothing_changes(engine):
        again = import_study(engine, LOCAL, content)
    assert (again.study_id, again.new) == (first.study_id, False)


def test_a_later_export_of_the_same_results_is_the_same_study(engine: Engine) -> None:
    study = exported.finished(engine)
    first = import_study(engine, LOCAL, archive(engine, study))
    later = json.loads(archive(engine, study))
    later["results"]["exported"] |= {"exported_at": "2030-01-01T00:00:00Z", "product_version": "9.9.9"}
    assert import_study(engine, LOCAL, json.dumps(later).encode()).study_id == first.study_id
    later["results"]["runs"][0]["validation_score"] = 0.123
    assert import_study(engine, LOCAL, json.dumps(later).encode()).new


def test_a_study_that_was_deleted_can_be_imported_again(engine: Engine, settings: Settings) -> None:
    content = archive(engine, exported.finished(engine))
    first = import_study(engine, LOCAL, content).study_id
    studies.delete_study(engine, settings, LOCAL, first)
    assert import_study(engine, LOCAL, content).new


def test_imports_of_one_file_at_once_make_one_study(engine: Engine) -> None:
    content = archive(engine, exported.finished(engine))
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(import_study(engine, LOCAL, content).study_id)) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 4
    assert len(set(found)) == 1


def test_an_exported_file_is_still_a_document_to_launch(engine: Engine, settings: Settings) -> None:
    original = exported.finished(engine)
    made = studies.create_study(engine, settings, LOCAL, StudyDocument.model_validate_json(archive(engine, original)))
    view = results.study_view(engine, LOCAL, made)
    assert view.status == "queued"
    assert view.document.results is None
    assert view.document == results.study_view(engine, LOCAL, original).document


# -- what breaks ------------------------------------------------------------------------------------------------------


def test_what_breaks_while_it_is_written_leaves_nothing(engine: Engine) -> None:
    content = archive(engine, exported.finished(engine))
    failing = make_engine(engine.url.render_as_string(hide_password=False))
    event.listen(failing, "before_cursor_execute", _fail_at_series)
    with nothing_changes(engine), pytest.raises(RuntimeError, match="planted"):
        import_study(failing, LOCAL, content)
    failing.dispose()
    assert import_study(engine, LOCAL, content).new


def _fail_at_series(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
    if statement.startswith("INSERT INTO series_points"):
        raise RuntimeError("planted")
