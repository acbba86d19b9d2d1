"""Extending a study on real databases: what is missing is queued, what is there is reused, what is finished stays."""

import threading
import time
from collections import namedtuple
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from app.db.session import system_session
from app.db.tables import Configuration, Run, Study
from app.errors import AtlasError, Conflict, DiskFull, Invalid, NotFound
from app.schemas import Added, MethodEntry, StudyDocument, StudyExtension, TaskEntry
from app.services import results, run_queue, runs, studies
from app.services.callers import LOCAL
from app.services.exports import export_study
from app.services.extend import extend_study
from app.services.run_queue import ClaimedRun
from app.settings import Settings
from peft_core.spec import Budget, Measurement, RunResult
from tests.databases import on_both_databases

pytestmark = on_both_databases

Disk = namedtuple("Disk", ("total", "used", "free"))

DOCUMENT = StudyDocument(
    name="Grows",
    budget=Budget(steps=5, batch_size=4, max_length=32),
    seeds=2,
    methods=[
        MethodEntry(method="lora", hyperparameters={"rank": 8}, learning_rates=[1e-3, 3e-3]),
        MethodEntry(method="bitfit", learning_rates=[1e-3]),
    ],
    references=["untuned"],
    metrics=["task_performance", "training_speed"],
)
UNTUNED, LORA, BITFIT = 1, 2, 3
"""The rows of the study, in its order and by the ids that an empty database gives."""


@pytest.fixture
def study(engine: Engine, settings: Settings) -> int:
    return studies.create_study(engine, settings, LOCAL, DOCUMENT)


@pytest.fixture
def worker(engine: Engine, study: int) -> int:
    with system_session(engine) as session:
        session.get_one(Study, study).precision = "fp32"
        return run_queue.register_worker(session, "test:1", "cpu", {})


def claim(engine: Engine, worker: int) -> ClaimedRun | None:
    with system_session(engine) as session:
        return run_queue.claim_next_run(session, worker, store=Path("store"), lease_seconds=30, alone=True)


def claimed(engine: Engine, worker: int) -> ClaimedRun:
    found = claim(engine, worker)
    assert found is not None
    return found


def finish(engine: Engine, found: ClaimedRun, scores: dict[float, float]) -> None:
    """The run ends well; a tuning run with the score of its learning rate, another with that rate as its value."""
    rate = found.spec.learning_rate or 0.0
    tuning = found.spec.purpose == "tune"
    metric = "training_speed" if found.spec.purpose == "probe" else "task_performance"
    result = RunResult(validation_score=scores[rate] if tuning else None, train_seconds=1, artifacts=(), environment={})
    with system_session(engine) as session:
        if not tuning:
            run_queue.record_events(session, found.lease, [Measurement(metric=metric, value=rate, detail={})])
        run_queue.finish_run(session, found, result, ())


def run_all(engine: Engine, worker: int, scores: dict[float, float]) -> list[ClaimedRun]:
    done = []
    while (found := claim(engine, worker)) is not None:
        finish(engine, found, scores)
        done.append(found)
    return done


def everything(engine: Engine) -> list[Run]:
    with system_session(engine) as session:
        return list(session.scalars(select(Run).order_by(Run.id)))


def of(engine: Engine, ids: Sequence[int]) -> list[Run]:
    return [run for run in everything(engine) if run.id in ids]


def row(engine: Engine, configuration: int) -> Configuration:
    with system_session(engine) as session:
        return session.get_one(Configuration, configuration)


def as_stored(run: Run) -> dict[str, Any]:
    return {column.name: getattr(run, column.name) for column in Run.__table__.columns}


@pytest.fixture
def extend(engine: Engine, settings: Settings, study: int) -> Any:
    def with_what(key: str | None = None, **asked: Any) -> Added:
        return extend_study(engine, settings, LOCAL, study, StudyExtension(**asked), key)

    return with_what


def said(added: Added) -> list[str]:
    return [reused.sentence for reused in added.reused]


# -- seeds and methods ------------------------------------------------------------------------------------------------


def test_only_the_seeds_that_are_missing_are_queued(engine: Engine, study: int, worker: int, extend: Any) -> None:
    before = len(everything(engine))
    added = extend(seeds=[1, 7, 2])
    found = of(engine, added.run_ids)
    assert [(run.configuration_id, run.purpose, run.seed) for run in found] == [
        (row_id, "report", seed) for row_id in (UNTUNED, LORA, BITFIT) for seed in (7, 2)
    ]
    assert [run.learning_rate for run in found] == [None] * 4 + [1e-3] * 2
    assert [run.position for run in found] == list(range(before, before + 6))
    assert said(added) == ["Every row has the seeds 1 already."]
    with system_session(engine) as session:
        assert session.get_one(Study, study).document["seeds"] == [0, 1, 7, 2]


def test_a_number_of_seeds_counts_those_that_are_there(engine: Engine, extend: Any) -> None:
    added = extend(seeds=4)
    assert {run.seed for run in of(engine, added.run_ids)} == {2, 3}
    assert extend(seeds=2).run_ids == []


def test_a_seed_comes_at_the_rate_that_was_chosen(engine: Engine, worker: int, extend: Any) -> None:
    run_all(engine, worker, {1e-3: 0.7, 3e-3: 0.9})
    added = extend(seeds=3)
    assert [run.learning_rate for run in of(engine, added.run_ids)] == [None, 3e-3, 1e-3]
    assert [found.spec.learning_rate for found in run_all(engine, worker, {})] == [None, 3e-3, 1e-3]


def test_a_seed_of_a_row_that_found_no_rate_fails_with_the_reason(engine: Engine, worker: int, extend: Any) -> None:
    while (found := claim(engine, worker)) is not None:
        with system_session(engine) as session:
            run_queue.fail_run(session, found, "broken")
    added = extend(seeds=3)
    assert [run.status for run in of(engine, added.run_ids)] == ["queued", "failed", "queued"]
    assert "Retry one" in (of(engine, added.run_ids)[1].reason or "")


def test_a_method_comes_with_its_grid_all_seeds_and_its_probe(engine: Engine, extend: Any) -> None:
    before = len(everything(engine))
    entry = MethodEntry(method="lora", hyperparameters={"rank": 4}, learning_rates=[1e-3, 1e-2])
    added = extend(methods=[entry], seeds=3)
    new = [run for run in of(engine, added.run_ids) if run.configuration_id in added.configurations]
    assert [run.purpose for run in new] == ["tune", "tune", "report", "report", "report", "probe"]
    assert [run.position for run in of(engine, added.run_ids)] == list(range(before, before + 3 + 6))
    assert row(engine, added.configurations[0]).position == 3
    assert row(engine, added.configurations[0]).label == "LoRA r4"
    assert added.reused[0].what == "seeds"


def test_a_row_gets_a_longer_name_where_its_own_would_be_anothers_too(engine: Engine, extend: Any) -> None:
    assert row(engine, LORA).label == "LoRA r8"
    alpha = row(engine, LORA).hyperparameters["alpha"]
    namesake = MethodEntry(method="lora", hyperparameters={"rank": 8, "alpha": alpha + 1}, learning_rates=[1e-3])
    added = extend(methods=[namesake])
    labels = [row(engine, row_id).label for row_id in (LORA, *added.configurations)]
    assert labels == [f"LoRA r8, alpha {alpha}", f"LoRA r8, alpha {alpha + 1}"]


def test_a_method_that_is_there_is_reused_and_the_answer_says_so(engine: Engine, extend: Any) -> None:
    before = len(everything(engine))
    lora = MethodEntry(method="lora", hyperparameters={"rank": 8}, learning_rates=[3e-3, 1e-2])
    bitfit = MethodEntry(method="bitfit", learning_rates=[5e-3])
    added = extend(methods=[lora, bitfit, MethodEntry(method="untuned")])
    assert (added.run_ids, added.configurations, len(everything(engine))) == ([], [], before)
    assert [reused.configuration for reused in added.reused] == [LORA, BITFIT, UNTUNED]
    assert f"0.01 were not added: name them under learning_rates for configuration {LORA}" in said(added)[0]
    assert "stays at its fixed learning rate 0.001: 0.005 not added" in said(added)[1]
    assert row(engine, LORA).learning_rates == [1e-3, 3e-3]


def test_the_same_extension_twice_adds_nothing_the_second_time(engine: Engine, extend: Any) -> None:
    asked: dict[str, Any] = {
        "methods": [MethodEntry(method="ia3")],
        "seeds": 3,
        "learning_rates": {LORA: [1e-2]},
    }
    assert extend(**asked).run_ids != []
    stored = [as_stored(run) for run in everything(engine)]
    again = extend(**asked)
    assert (again.run_ids, again.configurations) == ([], [])
    assert {reused.what for reused in again.reused} == {"method", "seeds", "learning_rates"}
    assert [as_stored(run) for run in everything(engine)] == stored


def test_extensions_at_once_queue_nothing_twice(engine: Engine, extend: Any) -> None:
    def both() -> None:
        extend(methods=[MethodEntry(method="ia3", learning_rates=[1e-2])], seeds=4, learning_rates={LORA: [1e-2]})

    threads = [threading.Thread(target=both) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [(run.configuration_id, run.purpose, run.seed, run.learning_rate) for run in everything(engine)]
    assert len(set(found)) == len(found) == 3 * 4 + 3 + (4 + 1) + 3


def test_the_export_makes_the_extended_study_again(
    engine: Engine, settings: Settings, study: int, worker: int, extend: Any
) -> None:
    extend(
        methods=[MethodEntry(method="ia3"), MethodEntry(method="head_only")],
        seeds=[5],
        learning_rates={LORA: [1e-2, 3e-4]},
    )
    exported = StudyDocument.model_validate_json(export_study(engine, LOCAL, study, "json"))
    again = studies.create_study(engine, settings, LOCAL, exported)
    first, second = (_content(engine, made) for made in (study, again))
    assert first == second
    assert len(first[0]) == 5


def _content(engine: Engine, study: int) -> tuple[list[Any], list[Any]]:
    with system_session(engine) as session:
        rows = session.scalars(
            select(Configuration).where(Configuration.study_id == study).order_by(Configuration.position)
        ).all()
        places = {row.id: row.position for row in rows}
        found = session.scalars(select(Run).where(Run.study_id == study)).all()
    told = [(row.label, row.method, row.hyperparameters, row.learning_rates, row.reference) for row in rows]
    return told, sorted(
        (places[run.configuration_id], run.purpose, run.seed, run.learning_rate or 0.0) for run in found
    )


# -- learning rates ---------------------------------------------------------------------------------------------------


def test_further_rates_open_the_choice_again_and_what_waits_waits_on(engine: Engine, worker: int, extend: Any) -> None:
    scores = {1e-3: 0.7, 3e-3: 0.9, 1e-2: 0.8}
    for _ in range(6):
        finish(engine, claimed(engine, worker), scores)
    assert [run.learning_rate for run in everything(engine) if run.configuration_id == LORA][-3:] == [3e-3] * 3
    added = extend(learning_rates={LORA: [3e-3, 1e-2]})
    assert said(added) == ["LoRA r8 has the learning rates 0.003 already."]
    assert [run.learning_rate for run in of(engine, added.run_ids)] == [1e-2]
    assert (row(engine, LORA).learning_rate, row(engine, LORA).learning_rates) == (None, [1e-3, 3e-3, 1e-2])
    others = [claimed(engine, worker) for _ in range(4)]
    assert [found.configuration_id for found in others[:3]] == [BITFIT] * 3
    assert (others[3].lease.run_id, claim(engine, worker)) == (added.run_ids[0], None)
    before = len(everything(engine))
    finish(engine, others[3], scores)
    assert claimed(engine, worker).spec.learning_rate == 3e-3
    assert len(everything(engine)) == before


def test_the_same_choice_repeats_nothing(engine: Engine, worker: int, extend: Any) -> None:
    scores = {1e-3: 0.7, 3e-3: 0.9, 1e-2: 0.8, 3e-2: 0.1}
    run_all(engine, worker, scores)
    added = extend(learning_rates={LORA: [1e-2, 3e-2]})
    assert [found.lease.run_id for found in run_all(engine, worker, scores)] == added.run_ids
    assert row(engine, LORA).learning_rate == 3e-3


def test_another_choice_replaces_what_was_measured_at_the_old_rate(
    engine: Engine, study: int, worker: int, extend: Any
) -> None:
    scores = {1e-3: 0.7, 3e-3: 0.8, 1e-2: 0.9}
    run_all(engine, worker, scores)
    old = [run for run in everything(engine) if run.configuration_id == LORA and run.purpose != "tune"]
    others = [as_stored(run) for run in everything(engine) if run.configuration_id != LORA]
    extend(learning_rates={LORA: [1e-2]})
    again = run_all(engine, worker, scores)[1:]
    assert [found.spec.learning_rate for found in again] == [1e-2] * 3
    new = of(engine, [found.lease.run_id for found in again])
    assert [(run.retry_of, run.purpose, run.seed) for run in new] == [(run.id, run.purpose, run.seed) for run in old]
    assert [as_stored(run) for run in of(engine, [run.id for run in old])] == [as_stored(run) for run in old]
    assert [as_stored(run) for run in everything(engine) if run.configuration_id != LORA] == others

    view, comparison = results.study_view(engine, LOCAL, study), results.comparison(engine, LOCAL, study)
    assert (view.status, view.counts.succeeded) == ("succeeded", 3 + 3 + 3 + 3)
    cells = {cell.metric: cell for cell in comparison.cells if cell.configuration == LORA}
    assert cells["task_performance"].run_ids == [run.id for run in new if run.purpose == "report"]
    assert (cells["task_performance"].n, cells["task_performance"].values) == (2, [1e-2, 1e-2])
    assert cells["training_speed"].run_ids == [run.id for run in new if run.purpose == "probe"]
    assert run_all(engine, worker, scores) == []


def test_a_report_that_runs_while_another_rate_is_chosen_is_replaced_when_it_ends(
    engine: Engine, worker: int, extend: Any
) -> None:
    scores = {1e-3: 0.7, 3e-3: 0.8, 1e-2: 0.9}
    for _ in range(5):
        finish(engine, claimed(engine, worker), scores)
    running = claimed(engine, worker)
    assert (running.configuration_id, running.spec.learning_rate) == (LORA, 3e-3)
    extend(learning_rates={LORA: [1e-2]})
    before = len(everything(engine))
    run_all(engine, worker, scores)
    assert len(everything(engine)) == before
    finish(engine, running, scores)
    replaced = [run for run in everything(engine) if run.retry_of == running.lease.run_id]
    assert [(run.status, run.learning_rate) for run in replaced] == [("queued", 1e-2)]
    run_all(engine, worker, scores)
    assert len(everything(engine)) == before + 1


def test_a_report_that_was_given_back_does_not_go_on_at_another_rate(engine: Engine, worker: int, extend: Any) -> None:
    scores = {1e-3: 0.7, 3e-3: 0.8, 1e-2: 0.9}
    for _ in range(5):
        finish(engine, claimed(engine, worker), scores)
    begun = claimed(engine, worker)
    with system_session(engine) as session:
        run_queue.give_back(session, begun.lease)
    extend(learning_rates={LORA: [1e-2]})
    done = run_all(engine, worker, scores)
    assert begun.lease.run_id not in {found.lease.run_id for found in done}
    [old], [new] = of(engine, [begun.lease.run_id]), [run for run in everything(engine) if run.retry_of]
    assert (old.status, old.reason) == ("cancelled", "began at a learning rate that is no longer the chosen one")
    assert (new.retry_of, new.status, new.learning_rate, new.attempt) == (old.id, "succeeded", 1e-2, 1)


def test_a_report_that_was_given_back_goes_on_where_the_choice_stays(engine: Engine, worker: int, extend: Any) -> None:
    scores = {1e-3: 0.7, 3e-3: 0.8, 1e-2: 0.1}
    for _ in range(5):
        finish(engine, claimed(engine, worker), scores)
    begun = claimed(engine, worker)
    with system_session(engine) as session:
        run_queue.give_back(session, begun.lease)
    extend(learning_rates={LORA: [1e-2]})
    attempts = {found.lease.run_id: found.lease.attempt for found in run_all(engine, worker, scores)}
    assert attempts[begun.lease.run_id] == 2
    assert not any(run.retry_of for run in everything(engine))


def test_what_somebody_cancelled_stays_cancelled(engine: Engine, worker: int, extend: Any) -> None:
    scores = {1e-3: 0.7, 3e-3: 0.8, 1e-2: 0.9}
    for _ in range(6):
        finish(engine, claimed(engine, worker), scores)
    probe = next(run for run in everything(engine) if run.configuration_id == LORA and run.purpose == "probe")
    seed = next(run for run in everything(engine) if run.configuration_id == LORA and run.status == "queued")
    for run in (probe, seed):
        runs.request_cancel(engine, LOCAL, run.id)
    extend(learning_rates={LORA: [1e-2]})
    run_all(engine, worker, scores)
    assert not any(run.retry_of in (probe.id, seed.id) for run in everything(engine))


def test_a_study_that_is_cancelled_while_it_tunes_again_keeps_what_it_has(
    engine: Engine, study: int, worker: int, extend: Any
) -> None:
    scores = {1e-3: 0.7, 3e-3: 0.8, 1e-2: 0.9, 3e-2: 0.9}
    run_all(engine, worker, scores)
    extend(learning_rates={LORA: [1e-2, 3e-2]})
    finish(engine, claimed(engine, worker), scores)
    last = claimed(engine, worker)
    studies.cancel_study(engine, LOCAL, study)
    with system_session(engine) as session:
        run_queue.cancel_run(session, last)
    assert row(engine, LORA).learning_rate == 3e-3
    assert claim(engine, worker) is None
    extend(learning_rates={LORA: [1e-4]})
    run_all(engine, worker, scores | {1e-4: 0.1})
    assert row(engine, LORA).learning_rate == 1e-2
    assert len([run for run in everything(engine) if run.retry_of]) == 3


def test_further_rates_rescue_a_row_that_found_none(engine: Engine, study: int, worker: int, extend: Any) -> None:
    while (found := claim(engine, worker)) is not None:
        if found.configuration_id == LORA:
            with system_session(engine) as session:
                run_queue.fail_run(session, found, "broken")
        else:
            finish(engine, found, {})
    assert results.study_view(engine, LOCAL, study).counts.failed == 2 + 3
    extend(learning_rates={LORA: [1e-2]})
    run_all(engine, worker, {1e-2: 0.9})
    counts = results.study_view(engine, LOCAL, study).counts
    assert (counts.failed, counts.succeeded) == (2, 3 + 3 + 1 + 3)


def test_two_tuning_runs_that_end_at_once_still_choose(engine: Engine, worker: int) -> None:
    for _ in range(3):
        finish(engine, claimed(engine, worker), {})
    first, second = claimed(engine, worker), claimed(engine, worker)
    assert {first.spec.purpose, second.spec.purpose} == {"tune"}
    other = threading.Thread(target=finish, args=(engine, second, {3e-3: 0.9}))
    with system_session(engine) as session:
        result = RunResult(validation_score=0.7, train_seconds=1, artifacts=(), environment={})
        run_queue.finish_run(session, first, result, ())
        other.start()
        # Long enough for the other to have written, or to wait for us.
        time.sleep(0.5)
    other.join()
    assert row(engine, LORA).learning_rate == 3e-3


# -- refusals ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "field", "sentence"),
    [
        ({}, None, "Say what to add"),
        ({"learning_rates": {99: [1e-2]}}, "learning_rates.99", "has no configuration 99. It has 1, 2, 3"),
        ({"learning_rates": {UNTUNED: [1e-2]}}, "learning_rates.1", "trains nothing"),
        ({"learning_rates": {BITFIT: [1e-2]}}, "learning_rates.3", "one fixed learning rate, 0.001"),
        ({"learning_rates": {LORA: [1e-2, 1e-2]}}, "learning_rates.2", "may be named once"),
        ({"learning_rates": {LORA: [i / 100 for i in range(1, 20)]}}, "learning_rates.2", "At most 20"),
        ({"seeds": 101}, "seeds", "At most 100 seeds"),
        ({"seeds": list(range(2, 101))}, "seeds", "At most 100 seeds"),
        ({"seeds": [3, 3]}, "seeds", "named once"),
        ({"seeds": 4, "methods": [MethodEntry(method="lorra")]}, "methods.0.method", "no method named"),
        (
            {
                "methods": [
                    MethodEntry(method="ia3", learning_rates=[1e-2]),
                    MethodEntry(method="ia3", learning_rates=[1e-3]),
                ]
            },
            "methods.1",
            "listed twice",
        ),
        (
            {
                "methods": [
                    MethodEntry(method="lora", hyperparameters={"alpha": i}, learning_rates=[1e-2])
                    for i in range(101, 199)
                ]
            },
            "methods",
            "at most 100 rows; this one has 3",
        ),
    ],
)
def test_a_bad_extension_is_refused_whole(
    engine: Engine, study: int, extend: Any, asked: dict[str, Any], field: str | None, sentence: str
) -> None:
    before = _content(engine, study)
    with pytest.raises(Invalid, match=sentence) as refused:
        extend(**asked)
    assert refused.value.field == field
    assert _content(engine, study) == before


def test_an_extension_that_fills_the_disk_is_refused(
    engine: Engine, study: int, extend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = _content(engine, study)
    monkeypatch.setattr("shutil.disk_usage", lambda _: Disk(10**9, 7 * 10**8, 3 * 10**8))
    with pytest.raises(DiskFull, match="ask for fewer methods or seeds"):
        extend(methods=[MethodEntry(method="full")])
    assert _content(engine, study) == before
    assert extend(seeds=3).run_ids != []


def test_a_study_that_is_not_there_is_not_extended(engine: Engine, settings: Settings, study: int) -> None:
    with pytest.raises(NotFound):
        extend_study(engine, settings, LOCAL, study + 1, StudyExtension(seeds=3))


def test_other_weights_or_data_than_the_studys_are_refused(engine: Engine, settings: Settings, home: Path) -> None:
    (home / "datasets").mkdir()
    own = home / "datasets" / "own.csv"
    own.write_text("text,label\n" + "".join(f"line {i} of {'ab'[i % 2]},{'ab'[i % 2]}\n" for i in range(200)))
    task = TaskEntry(dataset="own.csv", text="text", label="label")
    made = studies.create_study(engine, settings, LOCAL, DOCUMENT.model_copy(update={"task": task}))
    own.write_text(own.read_text() + "one more,a\n")
    with pytest.raises(Conflict, match="dataset has changed"):
        extend_study(engine, settings, LOCAL, made, StudyExtension(seeds=3))
    with system_session(engine) as session:
        session.get_one(Study, made).base_model_sha256 = "0" * 64
    with pytest.raises(Conflict, match="base model's files have changed"):
        extend_study(engine, settings, LOCAL, made, StudyExtension(seeds=3))


def test_a_key_answers_what_it_did_the_first_time(engine: Engine, extend: Any) -> None:
    first = extend(key="k", seeds=3)
    before = len(everything(engine))
    assert first.run_ids != []
    assert extend(key="k", seeds=3) == first
    assert len(everything(engine)) == before
    with pytest.raises(Conflict, match="Idempotency-Key"):
        extend(key="k", seeds=4)


def test_a_refused_extension_leaves_its_key_free(extend: Any) -> None:
    with pytest.raises(AtlasError):
        extend(key="k", seeds=0)
    assert extend(key="k", seeds=3).run_ids != []


def test_what_is_cancelled_while_it_waits_closes_the_choice_too(
    engine: Engine, study: int, worker: int, extend: Any
) -> None:
    run_all(engine, worker, {1e-3: 0.7, 3e-3: 0.8})
    [tuning] = extend(learning_rates={LORA: [1e-2]}).run_ids
    runs.request_cancel(engine, LOCAL, tuning)
    assert row(engine, LORA).learning_rate == 3e-3
    extend(learning_rates={LORA: [3e-2]})
    studies.cancel_study(engine, LOCAL, study)
    assert row(engine, LORA).learning_rate == 3e-3


def test_a_retried_report_goes_at_the_rate_that_is_chosen_now(engine: Engine, worker: int, extend: Any) -> None:
    scores = {1e-3: 0.7, 3e-3: 0.8, 1e-2: 0.9}
    for _ in range(5):
        finish(engine, claimed(engine, worker), scores)
    seed = next(run for run in everything(engine) if run.configuration_id == LORA and run.status == "queued")
    runs.request_cancel(engine, LOCAL, seed.id)
    extend(learning_rates={LORA: [1e-2]})
    run_all(engine, worker, scores)
    [again] = of(engine, [runs.retry_run(engine, LOCAL, seed.id)])
    assert (seed.learning_rate, again.learning_rate) == (3e-3, 1e-2)


def test_an_extended_study_is_deleted_whole(
    engine: Engine, settings: Settings, study: int, worker: int, extend: Any
) -> None:
    run_all(engine, worker, {1e-3: 0.7, 3e-3: 0.8})
    extend(learning_rates={LORA: [1e-2]})
    run_all(engine, worker, {1e-2: 0.9})
    assert any(run.retry_of for run in everything(engine))
    studies.delete_study(engine, settings, LOCAL, study)
    assert everything(engine) == []
