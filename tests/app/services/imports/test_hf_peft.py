"""Importing published results: what becomes of every file, and what the studies then say."""

import json
import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as tried
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select

from app.db.session import system_session
from app.db.tables import Configuration, MeasurementRow, Run, SeriesPointRow, Study
from app.errors import NotFound
from app.schemas import Cell, Comparison, ImportReport, LookupRequest, RecommendationRequest, RunDetail, StudyPatch
from app.services import (
    diagnoses,
    exports,
    lookup,
    pareto,
    recommendations,
    results,
    run_curves,
    runs,
    selection_guide,
    spectra,
    studies,
    sweeps,
)
from app.services.callers import LOCAL
from app.services.imports.hf_peft import import_results
from app.settings import Settings
from peft_core.compare.statistics import wilson
from tests.app.services.imports.result_files import (
    changed,
    image_result,
    result,
    sent,
    validation,
)
from tests.databases import on_both_databases

pytestmark = on_both_databases

FULL = result("full-finetuning/llama", run_info__peft_config=None, train_info__num_trainable_params=3_212_749_824)
FILES = {
    "MetaMathQA/results/lora--a.json": result("lora/a"),
    "MetaMathQA/results/lora--b.json": result("lora/b", run_info__peft_config__use_dora=True),
    "MetaMathQA/results/full.json": FULL,
    "image-gen/results/lora--a.json": image_result("lora/a"),
}


def imported(engine: Engine, files: dict[str, Any]) -> ImportReport:
    return import_results(engine, LOCAL, sent(files))


def counts(report: ImportReport) -> tuple[int, int, int]:
    return report.imported, report.unchanged, len(report.refused)


def everything(engine: Engine) -> dict[str, list[Any]]:
    """All that an import may write, by table, with the ids."""
    with system_session(engine) as session:
        return {
            table.__tablename__: [
                {column.name: getattr(row, column.key) for column in table.__table__.columns}
                for row in session.scalars(select(table).order_by(*table.__table__.primary_key))
            ]
            for table in (Study, Configuration, Run, MeasurementRow, SeriesPointRow)
        }


def cells(found: Comparison, label: str) -> dict[str, Cell]:
    (row,) = [row for row in found.configurations if row.label == label]
    return {cell.metric: cell for cell in found.cells if cell.configuration == row.id}


def comparison_of(engine: Engine, name: str) -> Comparison:
    page = results.list_studies(engine, LOCAL, query=name, cursor=None, limit=10)
    return results.comparison(engine, LOCAL, page.items[0].id)


def test_one_study_for_each_suite_one_configuration_for_each_file(engine: Engine) -> None:
    report = imported(engine, FILES)
    assert counts(report) == (4, 0, 0)
    views = [results.study_view(engine, LOCAL, study_id) for study_id in report.study_ids]
    assert {view.name: view.counts.succeeded for view in views} == {"MetaMathQA": 3, "image-gen": 1}
    maths = next(view for view in views if view.name == "MetaMathQA")
    assert (maths.status, maths.metric, maths.task_kind, maths.precision) == (
        "succeeded",
        "exact match",
        "generation",
        "bf16",
    )
    assert maths.splits is None
    assert maths.origin is not None
    assert maths.origin.model_dump() == {
        "kind": "hf-peft",
        "suite": "MetaMathQA",
        "label": "imported, single seed",
        "base_model": "meta-llama/Llama-3.2-3B",
        "steps": 5000,
        "batch_size": 4,
        "max_length": 768,
        "test_items": 1319,
    }
    found = comparison_of(engine, "MetaMathQA")
    rows = {row.label: (row.method, row.family, row.reference, row.learning_rate) for row in found.configurations}
    assert rows == {
        "lora/a": ("lora", "lora", False, 1e-4),
        "lora/b": ("dora", "lora", False, 1e-4),
        "full-finetuning/llama": ("full", "reference", True, 1e-4),
    }


def test_a_cell_says_that_it_is_imported_and_what_its_interval_covers(engine: Engine) -> None:
    imported(engine, FILES)
    found = cells(comparison_of(engine, "MetaMathQA"), "lora/a")
    quality = found["task_performance"]
    assert (quality.mean, quality.n, quality.source) == (660 / 1319, 1, "imported")
    assert quality.interval == pytest.approx(wilson(660, 1319))
    assert quality.interval_covers == "test items"
    for metric in ("trainable_parameters", "storage_bytes", "training_speed", "peak_memory", "forgetting"):
        assert (found[metric].source, found[metric].interval, found[metric].interval_covers) == ("imported", None, None)
    assert found["training_speed"].mean == 7_200.0
    assert found["trainable_parameters"].normalised == pytest.approx(0.636, abs=1e-3)
    image = cells(comparison_of(engine, "image-gen"), "lora/a")
    assert (image["task_performance"].mean, image["task_performance"].interval) == (0.58, None)
    assert (image["drift"].mean, image["drift"].unit) == (0.27, "coefficient")
    assert "training_speed" not in image


def test_importing_again_changes_nothing(engine: Engine) -> None:
    imported(engine, FILES)
    before = everything(engine)
    assert counts(imported(engine, FILES)) == (0, 4, 0)
    assert everything(engine) == before


def test_two_imports_at_once_write_everything_once(engine: Engine) -> None:
    files = {f"MetaMathQA/results/{place}.json": result(f"lora/{place}") for place in range(60)}
    reports: list[ImportReport] = []
    started = threading.Barrier(3)

    def run() -> None:
        started.wait()
        reports.append(imported(engine, files))

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(report.imported for report in reports) == 60
    assert sum(report.unchanged for report in reports) == 120
    assert len({tuple(report.study_ids) for report in reports}) == 1
    with system_session(engine) as session:
        assert session.scalar(select(func.count()).select_from(Study)) == 1
        assert session.scalar(select(func.count()).select_from(Run)) == 60
        assert session.scalar(select(func.count()).select_from(Configuration)) == 60


def test_a_file_that_tells_its_experiment_otherwise_makes_a_new_run_in_place_of_the_old(engine: Engine) -> None:
    imported(engine, FILES)
    better = result("lora/a", run_info__train_config__optimizer_kwargs={"lr": 3e-4})
    better["train_info"]["metrics"][-1]["test accuracy"] = 700 / 1319
    again = FILES | {"MetaMathQA/results/lora--a.json": better}
    assert counts(imported(engine, again)) == (1, 3, 0)
    found = comparison_of(engine, "MetaMathQA")
    assert cells(found, "lora/a")["task_performance"].values == [700 / 1319]
    assert {row.label: row.learning_rate for row in found.configurations}["lora/a"] == 3e-4
    assert results.study_view(engine, LOCAL, found.study).counts.succeeded == 3
    with system_session(engine) as session:
        old, new = session.scalars(
            select(Run).join(Configuration).where(Configuration.label == "lora/a", Run.study_id == found.study)
        ).all()
        assert new.retry_of == old.id
    assert counts(imported(engine, again)) == (0, 4, 0)


def test_of_two_files_that_tell_one_experiment_differently_the_first_is_taken(engine: Engine) -> None:
    files = {
        "MetaMathQA/results/a.json": result("lora/a"),
        "MetaMathQA/results/b.json": result("lora/a"),
        "MetaMathQA/results/c.json": result("lora/a", train_info__file_size=1),
    }
    report = imported(engine, files)
    assert counts(report) == (1, 1, 1)
    assert [(refused.file, refused.reason) for refused in report.refused] == [
        (
            "MetaMathQA/results/c.json",
            "It tells lora/a otherwise than MetaMathQA/results/a.json, which is imported.",
        )
    ]
    assert counts(imported(engine, files)) == (0, 2, 1)


def test_bad_files_are_refused_one_by_one_and_the_rest_goes_in(engine: Engine) -> None:
    bad = {
        "MetaMathQA/results/array.json": [1],
        "MetaMathQA/results/cut.json": json.dumps(result()).encode()[:500],
        "MetaMathQA/results/latin.json": b"\xe9",
        "MetaMathQA/results/types.json": result(train_info__metrics="none"),
        "MetaMathQA/results/image.json": image_result("lora/odd"),
        "MetaMathQA/results/notes.txt": b"hello",
        "MetaMathQA/results/unnamed.json": result("lora/x", run_info__peft_config={"r": 4}),
        "nowhere.json": changed(image_result("a"), train_info__metrics=[], run_info__experiment_name="a"),
    }
    report = imported(engine, bad | FILES)
    assert counts(report) == (4, 0, len(bad))
    assert {refused.file for refused in report.refused} == bad.keys()
    assert all(refused.reason.startswith("It ") and refused.reason.endswith(".") for refused in report.refused)


def test_nothing_but_bad_files_leaves_no_study_behind(engine: Engine) -> None:
    report = imported(engine, {"MetaMathQA/results/x.json": result("lora/x", run_info__peft_config={"r": 4})})
    assert (counts(report), report.study_ids) == ((0, 0, 1), [])
    assert everything(engine)["studies"] == []


def test_a_lone_file_goes_to_the_suite_that_it_tells_of(engine: Engine) -> None:
    report = imported(engine, {"a.json": result("lora/a"), "b.json": image_result("lora/b")})
    names = {results.study_view(engine, LOCAL, study_id).name for study_id in report.study_ids}
    assert names == {"MetaMathQA", "image-gen"}


def test_a_suite_of_another_name_has_no_chance_level_and_no_interval(engine: Engine) -> None:
    imported(engine, {"GLUE/results/a.json": result("lora/a", meta_info__dataset_info=None)})
    found = comparison_of(engine, "GLUE")
    quality = cells(found, "lora/a")["task_performance"]
    assert (quality.interval, quality.normalised, found.assumed_floor) == (None, None, None)


def test_runs_that_were_stopped_or_failed_stay_visible_with_the_reason(engine: Engine) -> None:
    files = {
        "MetaMathQA/results/a.json": result("lora/a"),
        "MetaMathQA/results/b.json": result(
            "lora/b", train_info__status="failed", train_info__metrics=[], run_info__error_msg="CUDA out of memory"
        ),
        "MetaMathQA/results/c.json": result("lora/c", train_info__status="canceled"),
    }
    report = imported(engine, files)
    view = results.study_view(engine, LOCAL, report.study_ids[0])
    assert (view.counts.succeeded, view.counts.failed, view.counts.cancelled) == (1, 1, 1)
    found = comparison_of(engine, "MetaMathQA")
    failed = cells(found, "lora/b")["task_performance"]
    assert (failed.mean, failed.failures, failed.missing) == (None, 1, "failed: CUDA out of memory")
    assert cells(found, "lora/c")["task_performance"].missing == "cancelled"


def test_an_unknown_budget_is_said_to_be_unknown(engine: Engine) -> None:
    report = imported(engine, {"MetaMathQA/results/a.json": result("lora/a", run_info__train_config=None)})
    origin = results.study_view(engine, LOCAL, report.study_ids[0]).origin
    assert origin is not None
    assert (origin.base_model, origin.steps, origin.batch_size) == (None, None, None)


def test_a_study_may_have_more_rows_than_one_that_is_launched(engine: Engine) -> None:
    files = {f"MetaMathQA/results/{place}.json": result(f"lora/{place}") for place in range(130)}
    report = imported(engine, files)
    assert counts(report) == (130, 0, 0)
    assert len(results.comparison(engine, LOCAL, report.study_ids[0]).configurations) == 130


def test_a_renamed_study_is_still_the_suites_and_a_deleted_one_is_made_anew(engine: Engine, settings: Settings) -> None:
    (study_id,) = imported(engine, {"MetaMathQA/results/a.json": result("lora/a")}).study_ids
    studies.change_study(engine, LOCAL, study_id, StudyPatch(name="Published maths"))
    again = imported(engine, {"MetaMathQA/results/b.json": result("lora/b")})
    assert again.study_ids == [study_id]
    assert results.study_view(engine, LOCAL, study_id).name == "Published maths"
    studies.delete_study(engine, settings, LOCAL, study_id)
    anew = imported(engine, {"MetaMathQA/results/a.json": result("lora/a")})
    assert counts(anew) == (1, 0, 0)
    assert [row["name"] for row in everything(engine)["studies"]] == ["MetaMathQA"]


# -- comparability ----------------------------------------------------------------------------------------------------


def test_versions_that_differ_flag_the_cells_of_the_row_and_the_study(engine: Engine) -> None:
    files = {f"MetaMathQA/results/{name}.json": result(f"lora/{name}") for name in "abc"}
    odd = result("lora/d", meta_info__package_info={"torch-version": "2.14.0"})
    imported(engine, files | {"MetaMathQA/results/d.json": odd})
    found = comparison_of(engine, "MetaMathQA")
    assert "The runs used different versions of torch: 2.13.0+cu130, 2.14.0." in found.flags
    assert {row.label: row.flags for row in found.configurations} == {
        "lora/a": [],
        "lora/b": [],
        "lora/c": [],
        "lora/d": ["Torch 2.14.0, others 2.13.0+cu130."],
    }
    assert cells(found, "lora/d")["peak_memory"].flags == ["Torch 2.14.0, others 2.13.0+cu130."]
    assert cells(found, "lora/a")["task_performance"].flags == []


def test_full_fine_tuning_of_fewer_steps_is_not_what_others_refer_to(engine: Engine) -> None:
    short = result("full-finetuning/llama", run_info__peft_config=None, run_info__train_config__max_steps=300)
    files = {
        "MetaMathQA/results/a.json": result("lora/r64", run_info__peft_config__r=64),
        "MetaMathQA/results/b.json": result("lora/r8", run_info__peft_config__r=8),
        "MetaMathQA/results/c.json": short,
    }
    imported(engine, files)
    found = comparison_of(engine, "MetaMathQA")
    labels = {row.id: row.label for row in found.configurations}
    assert found.reference is not None
    assert labels[found.reference] == "lora/r8"
    assert found.reference_note == (
        "lora/r8 stands in for full fine-tuning as the reference: full fine-tuning does not compare (training steps"
        " 300 instead of 5000)."
    )
    assert found.reference_note in found.flags


def test_the_floor_that_is_assumed_is_said(engine: Engine) -> None:
    imported(engine, FILES)
    found = comparison_of(engine, "MetaMathQA")
    assert found.assumed_floor == 0.0
    assert any(flag.startswith("Assumed floor") for flag in found.flags)
    assert comparison_of(engine, "image-gen").assumed_floor is None


# -- every other view -------------------------------------------------------------------------------------------------


def test_every_view_of_an_imported_study_and_run_answers(engine: Engine, settings: Settings) -> None:
    report = imported(engine, FILES)
    for study_id in report.study_ids:
        for kind in ("json", "csv", "md"):
            assert exports.export_study(engine, LOCAL, study_id, kind)
        asked = RecommendationRequest(study=study_id, scenario="resource_constrained")
        assert recommendations.recommend(engine, LOCAL, asked).study == study_id
        front = pareto.pareto(engine, LOCAL, study_id, {"x": "trainable_parameters", "y": "task_performance"}, None)
        assert {point.numbers["x"].source for point in front.points} == {"imported"}
        assert sweeps.sweeps(engine, LOCAL, study_id).study == study_id
        assert selection_guide.selection_guide(engine, LOCAL, study_id, {}).study == study_id
        listed = runs.list_runs(
            engine, LOCAL, runs.RunFilter(study_id=study_id), runs.RunOrder(descending=True), cursor=None, limit=10
        )
        for run in listed.items:
            assert run.source == "imported"
            detail = runs.run_detail(engine, LOCAL, run.id)
            assert RunDetail.model_validate_json(detail.model_dump_json()) == detail
            assert detail.origin is not None
            assert detail.origin["document"]
            assert diagnoses.read_diagnosis(engine, LOCAL, run.id).run_id == run.id
            with pytest.raises(NotFound, match="was imported"):
                spectra.read_spectrum(engine, LOCAL, settings.store_folder, run.id, layer=None)
            with pytest.raises(NotFound, match="was imported"):
                runs.read_predictions(engine, LOCAL, run.id)
            assert run_curves.read_series(engine, LOCAL, run.id, "validation_score", after=-1, max_points=10).points
    assert ",imported," in exports.export_study(engine, LOCAL, report.study_ids[0], "csv")


def test_imported_studies_cannot_speak_for_other_cases_and_say_why(engine: Engine, settings: Settings) -> None:
    imported(engine, FILES)
    case = LookupRequest(
        architecture="decoder",
        parameters=3_000_000_000,
        task_kind="generation",
        train_items=20_000,
        scenario="resource_constrained",
    )
    found = lookup.look_up_case(engine, settings, LOCAL, case)
    assert "were imported" in found.model_dump_json()


# -- properties -------------------------------------------------------------------------------------------------------

DAMAGED = st.sampled_from([b"", b"[]", b"{}", b"\xff", b'{"run_info": 1}', json.dumps(result("cut")).encode()[:900]])
NAMES = [f"lora/{place}" for place in range(6)]
SET = st.lists(
    st.tuples(
        st.integers(0, 9), st.sampled_from(NAMES).map(result) | DAMAGED | st.sampled_from(NAMES).map(image_result)
    ),
    min_size=1,
    max_size=10,
)


@tried(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=SET, order=st.randoms(use_true_random=False))
def test_every_file_is_accounted_for_and_the_second_import_changes_nothing(
    engine: Engine, drawn: list[tuple[int, Any]], order: Any
) -> None:
    """Whatever the set: shuffled, with doubles, with damaged files among them."""
    files = {f"MetaMathQA/results/{place}.json": content for place, content in drawn}
    first = imported(engine, files)
    assert sum(counts(first)) == len(files)
    before = everything(engine)
    shuffled = list(files.items())
    order.shuffle(shuffled)
    second = imported(engine, dict(shuffled))
    assert everything(engine) == before
    assert (second.imported, second.unchanged) == (0, first.imported + first.unchanged)
    assert second.refused == first.refused
    assert second.study_ids == first.study_ids


def test_validations_are_kept(engine: Engine) -> None:
    report = imported(engine, {"MetaMathQA/results/a.json": result("lora/a")})
    with system_session(engine) as session:
        (run,) = session.scalars(select(Run).where(Run.study_id == report.study_ids[0]))
    series = run_curves.read_series(engine, LOCAL, run.id, "validation_score", after=-1, max_points=10)
    assert [(point.step, point.value) for point in series.points] == [
        (entry["step"], entry["valid accuracy"]) for entry in (validation(2500, 0.4, 1), validation(5000, 0.5, 1))
    ]
