"""Runs that were trained elsewhere: taken whole or not at all, and never averaged with what is unlike."""

import threading
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, func, select

from app.db.session import system_session
from app.db.tables import Configuration, MeasurementRow, Run
from app.errors import AtlasError, Conflict, Invalid, NotFound
from app.schemas import (
    Asked,
    Cell,
    GivenPoints,
    MethodEntry,
    PredictRequest,
    RunsElsewhere,
    RunView,
    StudyDocument,
    StudyExtension,
)
from app.services import extend, results, run_curves, runs, studies, try_out
from app.services.callers import LOCAL
from app.services.chosen_rates import choose_learning_rate
from app.services.imports import elsewhere
from app.services.imports.hf_peft import import_results
from app.settings import Settings
from tests.app.services.imports.result_files import result, sent
from tests.databases import on_both_databases

pytestmark = on_both_databases

DOCUMENT = StudyDocument(
    name="Mine", seeds=1, grid_points=1, methods=[MethodEntry(method="lora")], references=["untuned", "full"]
)
TEST_ITEMS = 600


@pytest.fixture
def study(engine: Engine, settings: Settings) -> int:
    return studies.create_study(engine, settings, LOCAL, DOCUMENT)


def add(engine: Engine, study: int, *items: dict[str, Any], key: str | None = None) -> list[RunView]:
    given = RunsElsewhere.model_validate({"items": list(items)})
    return elsewhere.add_runs(engine, LOCAL, study, given, key).items


def lora(seed: int, score: float = 0.9, **more: Any) -> dict[str, Any]:
    return {
        "method": "lora",
        "hyperparameters": {"rank": 4},
        "seed": seed,
        "metrics": {"task_performance": score},
    } | more


def cells(engine: Engine, study: int, label: str) -> dict[str, Cell]:
    found = results.comparison(engine, LOCAL, study)
    (row,) = [row for row in found.configurations if row.label == label]
    return {cell.metric: cell for cell in found.cells if cell.configuration == row.id}


def number_of_runs(engine: Engine) -> int:
    with system_session(engine) as session:
        return session.scalar(select(func.count()).select_from(Run)) or 0


def test_runs_of_a_method_get_a_row_of_their_own(engine: Engine, study: int) -> None:
    values = {"training_speed": 4_000.0, "peak_memory": 2e9, "storage_bytes": 5e5, "forgetting": -0.01}
    made = add(engine, study, *[lora(seed, 0.9 + seed / 100) | {"train_seconds": 60.0} for seed in range(3)])
    assert [(run.seed, run.status, run.source, run.label) for run in made] == [
        (seed, "succeeded", "imported", "LoRA r4 (imported)") for seed in range(3)
    ]
    add(engine, study, lora(3, metrics=values | {"task_performance": 0.93}))
    found = cells(engine, study, "LoRA r4 (imported)")
    assert found["task_performance"].values == [0.9, 0.91, 0.92, 0.93]
    assert (found["task_performance"].source, found["task_performance"].interval_covers) == ("imported", "seeds")
    assert [found[metric].values for metric in values] == [[value] for value in values.values()]


def test_runs_join_a_configuration_and_are_not_averaged_with_those_measured_here(engine: Engine, study: int) -> None:
    with system_session(engine) as session:
        row = session.scalars(select(Configuration).where(Configuration.method == "full")).one()
        reports = session.scalars(select(Run).where(Run.configuration_id == row.id, Run.purpose == "report")).all()
        for run in reports:
            run.status = "succeeded"
            session.add(MeasurementRow(team_id=1, run_id=run.id, metric="task_performance", value=0.95, detail={}))
    add(
        engine,
        study,
        *[{"configuration": row.id, "seed": seed, "metrics": {"task_performance": 0.7}} for seed in (1, 2)],
    )
    quality = cells(engine, study, row.label)["task_performance"]
    assert (quality.values, quality.source, len(quality.split_off)) == ([0.7, 0.7], "imported", 1)
    assert quality.flags[0] == "1 run is left out, made unlike the others: source measured here instead of imported."


def test_item_scores_give_the_performance_and_its_interval(engine: Engine, study: int) -> None:
    scores = [1.0] * 540 + [0.0] * 60
    (run,) = add(engine, study, lora(0, metrics={}, item_scores=scores))
    assert runs.read_predictions(engine, LOCAL, run.id).scores == scores
    quality = cells(engine, study, "LoRA r4 (imported)")["task_performance"]
    assert (quality.mean, quality.interval_covers) == (0.9, "test items")
    assert quality.interval is not None
    assert quality.interval[0] < 0.9 < quality.interval[1]


@pytest.mark.parametrize(
    ("item", "field"),
    [
        (lora(1, metrics={"accuracyy": 0.5}), "items.1.metrics.accuracyy"),
        (lora(1, metrics={"perplexity": 3.0}), "items.1.metrics.perplexity"),
        (lora(1, metrics={"drift": 3.0}), "items.1.metrics.drift"),
        (lora(1, metrics={"time_to_target": 3.0}), "items.1.metrics.time_to_target"),
        (lora(1, metrics={"task_performance": 91.0}), "items.1.metrics.task_performance"),
        (lora(1, metrics={"storage_bytes": -1.0}), "items.1.metrics.storage_bytes"),
        (lora(1, metrics={}), "items.1.metrics"),
        (lora(1, item_scores=[1.0] * 3), "items.1.item_scores"),
        (lora(1, 0.5, item_scores=[1.0] * TEST_ITEMS), "items.1.metrics.task_performance"),
        (lora(1, hyperparameters={"rank": 0}), "items.1.hyperparameters.rank"),
        (lora(1, method="loraa"), "items.1.method"),
        (lora(1, method=None), "items.1"),
        (lora(1, configuration=10**6), "items.1"),
        ({"configuration": 10**6, "seed": 1, "metrics": {"task_performance": 0.5}}, "items.1.configuration"),
        (lora(0), "items.1.seed"),
    ],
    ids=range(15),
)
def test_one_wrong_run_and_none_of_the_batch_is_taken(
    engine: Engine, study: int, item: dict[str, Any], field: str
) -> None:
    before = number_of_runs(engine)
    with pytest.raises((Invalid, Conflict)) as refused:
        add(engine, study, lora(0), item)
    assert refused.value.field == field
    assert number_of_runs(engine) == before
    assert [row.label for row in results.comparison(engine, LOCAL, study).configurations].count(
        "LoRA r4 (imported)"
    ) == 0


def test_a_seed_that_is_there_or_waits_is_refused(engine: Engine, study: int) -> None:
    add(engine, study, lora(0))
    with pytest.raises(Conflict, match="has a run of seed 0 already"):
        add(engine, study, lora(0, 0.8))
    with system_session(engine) as session:
        full = session.scalars(select(Configuration.id).where(Configuration.method == "full")).one()
    with pytest.raises(Conflict, match="cancel the one that waits"):
        add(engine, study, {"configuration": full, "seed": 0, "metrics": {"task_performance": 0.7}})
    studies.cancel_study(engine, LOCAL, study)
    add(engine, study, {"configuration": full, "seed": 0, "metrics": {"task_performance": 0.7}})


def test_a_run_at_another_learning_rate_does_not_join_a_row(engine: Engine, study: int) -> None:
    with system_session(engine) as session:
        row = session.scalars(select(Configuration).where(Configuration.method == "lora")).one()
    item = {"configuration": row.id, "seed": 7, "metrics": {"task_performance": 0.7}}
    assert row.learning_rate is not None
    with pytest.raises(Invalid, match="another learning rate"):
        add(engine, study, item | {"learning_rate": 2 * row.learning_rate})
    add(engine, study, item | {"learning_rate": row.learning_rate})


def test_the_same_key_with_the_same_batch_adds_it_once(engine: Engine, study: int) -> None:
    first = add(engine, study, lora(0), lora(1), key="once")
    again = add(engine, study, lora(0), lora(1), key="once")
    assert [run.id for run in again] == [run.id for run in first]
    with pytest.raises(Conflict, match="Idempotency-Key"):
        add(engine, study, lora(2), key="once")


def test_batches_at_once_do_not_both_take_a_seed(engine: Engine, study: int) -> None:
    taken: list[bool] = []

    def give() -> None:
        try:
            add(engine, study, *[lora(seed) for seed in range(5)])
            taken.append(True)
        except Conflict:
            taken.append(False)

    threads = [threading.Thread(target=give) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [False, False, True]


def test_a_study_that_has_imported_rows_still_grows_by_its_own(engine: Engine, settings: Settings, study: int) -> None:
    add(engine, study, lora(0))
    asked = StudyExtension(methods=[MethodEntry(method="lora", hyperparameters={"rank": 4})], seeds=2)
    added = extend.extend_study(engine, settings, LOCAL, study, asked)
    assert len(added.configurations) == 1
    rows = {row.id: row.label for row in results.comparison(engine, LOCAL, study).configurations}
    assert sorted(rows.values()) == sorted({"Untuned", "Full fine-tuning", "LoRA r16", "LoRA r4", "LoRA r4 (imported)"})
    waiting = runs.list_runs(
        engine, LOCAL, runs.RunFilter(study_id=study, status="queued"), runs.RunOrder(), cursor=None, limit=500
    ).items
    assert "LoRA r4 (imported)" not in {run.label for run in waiting}
    assert "lora" in {entry.method for entry in results.study_view(engine, LOCAL, study).document.methods}
    assert len(results.study_view(engine, LOCAL, study).document.methods) == 4
    # Its own rows and the new one alone are named, so that the document makes what was trained here.


def test_a_choice_of_learning_rate_leaves_imported_runs_alone(engine: Engine, settings: Settings) -> None:
    tuned = StudyDocument(name="Tuned", seeds=1, methods=[MethodEntry(method="lora", learning_rates=[1e-3, 3e-3])])
    made = studies.create_study(engine, settings, LOCAL, tuned)
    with system_session(engine) as session:
        row = session.scalars(select(Configuration).where(Configuration.method == "lora")).one()
    add(engine, made, {"configuration": row.id, "seed": 5, "metrics": {"task_performance": 0.9}})
    with system_session(engine) as session:
        tuning = session.scalars(select(Run).where(Run.configuration_id == row.id, Run.purpose == "tune")).all()
        for place, run in enumerate(tuning):
            run.status, run.validation_score = "succeeded", 0.8 + place / 100
        session.flush()
        choose_learning_rate(session, row.id)
    with system_session(engine) as session:
        assert not session.scalars(select(Run).where(Run.configuration_id == row.id, Run.retry_of.is_not(None))).all()
        assert session.get_one(Configuration, row.id).learning_rate == 3e-3


# -- what cannot be done with imported runs and studies ---------------------------------------------------------------


def refused(status: int, words: str, do: Any) -> None:
    with pytest.raises(AtlasError, match=words) as error:
        do()
    assert error.value.status == status


def test_what_an_imported_study_cannot_do_is_said(engine: Engine, settings: Settings) -> None:
    files = {
        "MetaMathQA/results/a.json": result("lora/a"),
        "MetaMathQA/results/b.json": result("lora/b", train_info__status="canceled"),
    }
    (made,) = import_results(engine, LOCAL, sent(files)).study_ids
    listed = runs.list_runs(engine, LOCAL, runs.RunFilter(study_id=made), runs.RunOrder(), cursor=None, limit=10).items
    refused(409, "were imported", lambda: studies.cancel_study(engine, LOCAL, made))
    more = StudyExtension(seeds=3)
    refused(409, "were imported", lambda: extend.extend_study(engine, settings, LOCAL, made, more))
    refused(409, "already succeeded", lambda: runs.request_cancel(engine, LOCAL, listed[0].id))
    asked = PredictRequest(inputs=[Asked(text="1 + 1?")])
    for run in listed:
        refused(409, "was imported", lambda run=run: runs.retry_run(engine, LOCAL, run.id))
        refused(409, "was imported", lambda run=run: try_out.ask_for_answers(engine, LOCAL, run.id, asked))
        refused(409, "was imported", lambda run=run: try_out.ask_for_merging(engine, settings, LOCAL, run.id))
    studies.delete_study(engine, settings, LOCAL, made)
    refused(404, "There is no study", lambda: results.study_view(engine, LOCAL, made))


def test_runs_of_ones_own_stand_beside_published_ones(engine: Engine) -> None:
    (made,) = import_results(engine, LOCAL, sent({"MetaMathQA/results/a.json": result("lora/a")})).study_ids
    add(engine, made, lora(0, 0.55))
    labels = [row.label for row in results.comparison(engine, LOCAL, made).configurations]
    assert labels == ["lora/a", "LoRA r4 (imported)"]
    assert import_results(engine, LOCAL, sent({"MetaMathQA/results/a.json": result("lora/a")})).unchanged == 1


# -- points -----------------------------------------------------------------------------------------------------------


def points(engine: Engine, run_id: int, *items: tuple[str, int, float | None]) -> int:
    given = {"items": [{"key": key, "step": step, "value": value} for key, step, value in items]}
    return elsewhere.add_points(engine, LOCAL, run_id, GivenPoints.model_validate(given))


def test_points_of_an_imported_run_are_written_and_replaced(engine: Engine, study: int) -> None:
    (run,) = add(engine, study, lora(0))
    assert points(engine, run.id, ("train_loss", 1, 2.0), ("train_loss", 2, float("nan")), ("train_loss", 1, 1.5)) == 2
    points(engine, run.id, ("train_loss", 2, 1.25), ("mine.curve", 0, 3.0))
    read = run_curves.read_series(engine, LOCAL, run.id, "train_loss", after=-1, max_points=10)
    assert [(point.step, point.value) for point in read.points] == [(1, 1.5), (2, 1.25)]
    assert runs.run_detail(engine, LOCAL, run.id).series == ["mine.curve", "train_loss"]


def test_a_measured_runs_points_belong_to_its_worker(engine: Engine, study: int) -> None:
    with system_session(engine) as session:
        measured = session.scalars(select(Run.id).order_by(Run.id)).first()
    assert measured is not None
    with pytest.raises(Conflict, match="written by its worker"):
        points(engine, measured, ("train_loss", 1, 2.0))
    with pytest.raises(NotFound):
        points(engine, 10**6, ("train_loss", 1, 2.0))


def test_two_batches_of_points_at_once_both_arrive(engine: Engine, study: int) -> None:
    (run,) = add(engine, study, lora(0))
    wanted = [("train_loss", step, float(step)) for step in range(500)]
    rng = np.random.default_rng(0)
    shuffled = [[wanted[place] for place in rng.permutation(len(wanted))] for _ in range(4)]
    threads = [threading.Thread(target=points, args=(engine, run.id, *order)) for order in shuffled]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert run_curves.read_series(engine, LOCAL, run.id, "train_loss", after=-1, max_points=2).total == 500


def test_runs_of_any_row_stand_behind_those_that_the_study_has(engine: Engine, study: int) -> None:
    (first,) = add(engine, study, lora(0))
    add(engine, study, lora(1), {"configuration": first.configuration, "seed": 2, "metrics": {"task_performance": 0.8}})
    add(engine, study, {"configuration": first.configuration, "seed": 3, "metrics": {"task_performance": 0.7}})
    with system_session(engine) as session:
        positions = session.scalars(select(Run.position).where(Run.study_id == study).order_by(Run.id)).all()
    assert list(positions) == list(range(len(positions)))
