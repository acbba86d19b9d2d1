"""The run page's parts without a browser: curves with their sources, what a run waits for, files, two runs compared."""

from datetime import timedelta
from typing import Any

import pytest
from dash import dcc

from app.schemas import (
    AnsweredView,
    AnswerView,
    ArtifactView,
    Asked,
    AttemptView,
    Curves,
    ExamplesView,
    ExampleView,
    FullCurve,
    MeasurementView,
    MethodEntry,
    PredictionView,
    RunDetail,
    Series,
    SeriesPoint,
    StudyDocument,
    WorkerView,
)
from app.services.catalogue import list_metrics
from app.ui.charts.curves import TRAIN_LOSS, in_order, loss_figure, small_figure
from app.ui.run.against import differences
from app.ui.run.answers import answer_card
from app.ui.run.conditions import conditions
from app.ui.run.curves import curves_kind, curves_panels, values_table
from app.ui.run.difference import compare_runs, flat
from app.ui.run.files import files_panel, merge_panel
from app.ui.run.head import head, like, progress
from app.ui.run.try_it import try_panel
from app.ui.theme import DARK, LIGHT
from tests.app.ui.components import elements, sources, text_of, uncovered_digits
from tests.app.ui.test_run_page import NOW, run
from tests.flow.evidence import read_trace, unexplained_digits


def series(key: str, *values: float | None, total: int | None = None) -> Series:
    points = [SeriesPoint(step=step, value=value) for step, value in enumerate(values, start=1)]
    return Series(key=key, points=points, total=total or len(points))


def curves(*found: Series, full: Series | None = None, source: Any = "measured") -> Curves:
    beside = FullCurve(run_id=7, label="Full fine-tuning", source="measured", series=full) if full else None
    return Curves(run_id=41, source=source, series=list(found), full=beside)


def speaks(figure: Any) -> list[str]:
    """The digits of a figure that no source explains."""
    problems: list[str] = []
    for number, trace in enumerate(figure.to_dict()["data"]):
        seen = {name: trace.get(name) for name in ("text", "hovertext", "customdata", "texttemplate")}
        seen |= {"hovertemplate": trace.get("hovertemplate", ""), "hoverinfo": trace.get("hoverinfo", "")}
        seen |= {"type": "scatter", "mode": trace["mode"], "name": "", "points": len(trace["y"])}
        points, wrong = read_trace(seen, f"trace {number}")
        problems += wrong + [problem for point in points if (problem := unexplained_digits(point))]
    return problems


def in_props(component: Any, name: str) -> Any:
    return component.to_plotly_json()["props"].get(name)


# -- curves -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("palette", [LIGHT, DARK])
@pytest.mark.parametrize("beside", [None, series(TRAIN_LOSS, 0.8, 0.5)])
def test_every_point_of_a_curve_says_where_it_was_measured(palette: Any, beside: Series | None) -> None:
    loss = series(TRAIN_LOSS, 0.69, None, 0.41)
    assert speaks(loss_figure(loss, curves(loss, full=beside), run(), palette)) == []
    assert speaks(small_figure(series("peak_memory_bytes", 1e9, 2e9), run(), palette)) == []


def test_full_fine_tuning_is_another_run_in_the_colour_of_the_references() -> None:
    loss, full = series(TRAIN_LOSS, 0.69, 0.41), series(TRAIN_LOSS, 0.7, 0.3)
    figure = loss_figure(loss, curves(loss, full=full), run(), LIGHT)
    dotted, _, own, end, names = figure.data
    assert (dotted.line.dash, own.line.color) == ("dot", LIGHT.family("lora").colour)
    assert end.marker.symbol == LIGHT.family("lora").marker
    assert dotted.customdata[0][1]["source"] == "runs:7"
    assert own.customdata[0][1]["source"] == "runs:41"
    assert [text.strip() for text in names.text] == ["LoRA r8", "full fine-tuning"]
    assert list(names.textposition) == ["top right", "bottom right"]


def test_curves_of_an_imported_run_say_that_they_were_imported() -> None:
    loss = series(TRAIN_LOSS, 0.69, 0.41)
    imported = run(source="imported")
    panels = curves_panels(imported, curves(loss, source="imported"), LIGHT)
    assert "imported" in text_of(panels)
    assert {found["data-source"] for found in sources(panels)} == {"import:runs:41"}
    graphs = [element for element in elements(panels) if isinstance(element, dcc.Graph)]
    assert [graph.figure.data[0].customdata[0][1]["source"] for graph in graphs] == ["import:runs:41"]
    assert "2 imported values" in text_of(panels)


def test_a_long_curve_says_how_many_of_its_points_are_shown() -> None:
    long = curves_panels(run(), curves(series(TRAIN_LOSS, 0.69, 0.41, total=5_000)), LIGHT)
    assert "2 of 5,000 points shown" in text_of(long)
    assert "points shown" not in text_of(curves_panels(run(), curves(series(TRAIN_LOSS, 0.69, 0.41)), LIGHT))


def test_curves_come_in_the_pages_order_and_as_a_table_whose_values_have_sources() -> None:
    found = curves(series("mine", 1.0, 2.0), series("learning_rate", 1e-3, 0.0), series(TRAIN_LOSS, 0.5, 0.4))
    assert [one.key for one in in_order(found.series)] == [TRAIN_LOSS, "learning_rate", "mine"]
    table = values_table(run(), found)
    assert uncovered_digits(table) == []
    assert len(sources(table)) == 6


def test_new_points_leave_the_figures_and_a_new_series_draws_them_anew() -> None:
    loss = series(TRAIN_LOSS, 0.69)
    longer = series(TRAIN_LOSS, 0.69, 0.41)
    assert curves_kind(curves(loss), LIGHT) == curves_kind(curves(longer), LIGHT)
    assert curves_kind(curves(loss), LIGHT) != curves_kind(curves(loss, series("learning_rate", 1.0)), LIGHT)
    assert curves_kind(curves(loss), LIGHT) != curves_kind(curves(loss, full=longer), LIGHT)


def test_a_series_that_does_not_change_lies_in_the_middle_of_its_axis() -> None:
    flat_axis = small_figure(series("tokens_per_second", 1_000.0, 1_000.0), run(), LIGHT).layout.yaxis.range
    assert list(flat_axis) == [900.0, 1_100.0]
    assert small_figure(series("gradient_norm", 0.1, 0.9), run(), LIGHT).layout.yaxis.range is None


# -- head -------------------------------------------------------------------------------------------------------------


def worker(**changes: Any) -> WorkerView:
    fields: dict[str, Any] = {
        **{"id": 1, "name": "here:1", "device": "cpu", "device_info": {}, "alive": True, "paused": False},
        **{"started_at": NOW, "heartbeat_at": NOW, "seconds_since_heartbeat": 0.0, "run_id": None, "busy": False},
    }
    return WorkerView(**fields | changes)


@pytest.mark.parametrize(
    ("of_run", "workers", "said"),
    [
        ({"runs_before": 3}, [worker()], ["Waiting for a worker.", "Runs before it in the queue: 3."]),
        ({"runs_before": 0}, [worker()], ["It is the next in the queue."]),
        ({"learning_rate": None}, [worker()], ["Waiting for its learning rate"]),
        ({"runs_before": 1}, [], ["No worker is running.", "peft-atlas worker"]),
        ({"runs_before": 1}, [worker(paused=True)], ["Every worker is paused."]),
    ],
)
def test_a_run_that_waits_says_for_what(of_run: dict[str, Any], workers: list[WorkerView], said: list[str]) -> None:
    panel = progress(run(status="queued", **of_run), workers)
    assert [words for words in said if words not in text_of(panel)] == []
    assert uncovered_digits([one for one in elements(panel) if in_props(one, "data-region") == "evidence"]) == []


def test_a_running_run_says_how_far_it_is_and_what_is_left() -> None:
    found = run(status="running", phase="training", step=40, total_steps=150, eta_seconds=90.0, worker="here:1")
    text = text_of(progress(found, []))
    assert "40 of 150" in text
    assert "1\u202fmin 30\u202fs left · training" in text
    assert "worker here:1" in text


@pytest.mark.parametrize(
    ("of_run", "buttons"),
    [
        ({"status": "running"}, ["Cancel run"]),
        ({"status": "running", "cancel_requested": True}, ["Stopping"]),
        ({"status": "failed"}, ["Retry"]),
        ({"status": "succeeded"}, []),
        ({"status": "failed", "source": "imported"}, []),
    ],
)
def test_what_can_be_done_depends_on_how_it_stands(of_run: dict[str, Any], buttons: list[str]) -> None:
    found = [element for element in elements(head(run(**of_run), None)) if type(element).__name__ == "Button"]
    assert [text_of(button) for button in found] == buttons


def test_a_failed_run_leads_to_a_new_study_filled_in_like_it() -> None:
    document = StudyDocument(name="Quickstart", methods=[MethodEntry(method="adapter")])
    spec = {"hyperparameters": {"rank": 8}}
    failed = run(status="failed", reason="The loss was nan at step 3.", spec=spec)
    parts = head(failed, document)
    (link,) = [one for one in elements(parts) if isinstance(one, dcc.Link) and "/studies/new" in one.href]
    assert text_of(link) == "Retry with other settings"
    assert "methods=lora(rank:8)@0.003" in link.href
    assert "The loss was nan" in text_of(parts)
    assert like(failed, document).references == []


# -- files, attempts --------------------------------------------------------------------------------------------------


def artifact(place: int, path: str) -> ArtifactView:
    return ArtifactView(id=place, path=path, size_bytes=1_000, sha256=f"{place:064x}")


def test_files_have_sizes_hashes_and_one_archive() -> None:
    found = run(artifacts=[artifact(1, "run.json"), artifact(2, "adapter/weights.safetensors")])
    panel = files_panel(found)
    links = [one.href for one in elements(panel) if type(one).__name__ == "A"]
    assert links == [
        "/api/v1/runs/41/artifacts.zip",
        "/api/v1/runs/41/artifacts/1",
        "/api/v1/runs/41/artifacts/2",
    ]
    assert "2 files, 2.00\u202fkB in all." in text_of(panel)
    assert merge_panel(found) is not None


@pytest.mark.parametrize(
    ("of_run", "said"),
    [
        ({"source": "imported"}, "its files stayed where it was trained"),
        ({"status": "running"}, "when the run has ended well"),
        ({"purpose": "tune"}, "Only reporting runs keep their files"),
        ({"status": "failed"}, "left no files"),
        ({}, "not kept any more"),
    ],
)
def test_a_run_without_files_says_why(of_run: dict[str, Any], said: str) -> None:
    assert said in text_of(files_panel(run(**of_run)))
    assert merge_panel(run(**of_run)) is None


def test_attempts_say_who_had_it_and_where_it_went_on() -> None:
    rows = [
        AttemptView(
            attempt=place,
            worker=f"gpu:{place}",
            started_at=NOW,
            ended_at=ended,
            resumed_from_step=step,
            outcome=outcome,
            reason=None,
        )
        for place, ended, step, outcome in (
            (1, NOW + timedelta(seconds=9), None, "lost"),
            (2, None, 50, None),
        )
    ]
    text = text_of(conditions(run(attempts=rows)))
    assert "lost: its worker fell silent" in text
    assert "step 50" in text
    assert "still at it" in text


# -- two runs ---------------------------------------------------------------------------------------------------------


def specified(**changes: Any) -> RunDetail:
    spec = {
        **{"run_id": 41, "folder": "/a", "hyperparameters": {"rank": 8}, "budget": {"steps": 10, "batch_size": 8}},
        **{"task": {"splits": {"train": 100}}, "learning_rate": 3e-3},
    }
    measured = [MeasurementView(metric="task_performance", value=0.92, detail={})]
    environment = {"torch": "2.13.0", "device": "cpu"}
    fields = {"spec": spec, "measurements": measured, "environment": environment, "validation_score": 0.9}
    return run(**fields | changes)


def test_what_differs_between_two_runs_is_found_field_by_field() -> None:
    here = specified()
    other = {**(here.spec or {}), "hyperparameters": {"rank": 16}, "run_id": 42, "folder": "/b"}
    there = specified(id=42, seed=1, spec=other, environment={"torch": "2.14.0", "device": "cpu"})
    found = {
        (field.group, field.name): (field.here, field.there) for field in compare_runs(here, there) if field.differs
    }
    assert found == {
        ("hyperparameters", "rank"): (8, 16),
        ("configuration", "seed"): (0, 1),
        ("environment", "torch"): ("2.13.0", "2.14.0"),
    }


def test_a_run_does_not_differ_from_itself_and_nothing_is_lost() -> None:
    names = [field.name for field in compare_runs(specified(), specified())]
    assert not any(field.differs for field in compare_runs(specified(), specified()))
    assert {"rank", "learning_rate", "budget.steps", "task.splits.train", "torch", "task_performance"} <= set(names)
    assert not {"run_id", "folder"} & set(names)


def test_nested_values_are_named_by_their_path() -> None:
    assert flat({"a": {"b": {"c": 1}, "d": []}, "e": {}}) == {"a.b.c": 1, "a.d": [], "e": {}}


def test_results_of_both_runs_have_their_own_sources_and_equal_fields_are_folded() -> None:
    there = specified(id=42, validation_score=0.8)
    parts = differences(specified(), there, {card.key: card for card in list_metrics()})
    assert "1 field differs." in text_of(parts)
    assert [found["data-source"] for found in sources(parts)] == ["runs:41", "runs:42"]
    (fold,) = [one for one in elements(parts) if type(one).__name__ == "Details"]
    assert "fields are equal" in text_of(fold)


# -- try it -----------------------------------------------------------------------------------------------------------


def examples(**changes: Any) -> ExamplesView:
    found = [ExampleView(input=Asked(text="Thank you!"), right="positive")]
    fields: dict[str, Any] = {"run_id": 41, "pair": False, "choices": [], "missing": None, "examples": found}
    return ExamplesView(**fields | changes)


def test_the_form_asks_what_the_task_reads() -> None:
    one, two = try_panel(examples(), "LoRA"), try_panel(examples(pair=True, choices=["a", "b"]), "LoRA")
    hidden = [in_props(element, "hidden") for element in elements(one) if type(element).__name__ == "Div"]
    assert True in hidden
    choices = [element for element in elements(two) if isinstance(getattr(element, "id", None), dict)]
    assert len([one for one in choices if one.id["type"] == "run-ask-choice"]) == 2
    assert "Thank you!positive" in text_of(one)


def test_a_run_without_a_model_says_why_instead_of_a_form() -> None:
    panel = try_panel(examples(missing="Run 41 was imported, and its model is not here.", examples=[]), "LoRA")
    assert "its model is not here" in text_of(panel)
    assert not [one for one in elements(panel) if type(one).__name__ in ("Button", "Textarea")]


def answered() -> PredictionView:
    adapted = AnswerView(text="positive", seconds=0.012, probabilities={"positive": 0.93, "label 2": 0.07})
    told = AnsweredView(
        input=Asked(text="Gate 7 was late"), adapted=adapted, base=AnswerView(text="neutral", seconds=None)
    )
    return PredictionView(run_id=41, job=5, answers=[told], base_is="the majority", worker="here:1", waited_seconds=0.2)


def test_both_answers_stand_side_by_side_with_what_each_took() -> None:
    card = answer_card(answered(), "LoRA r8")
    text = text_of(card)
    assert "answered in 12.0\u202fms" in text
    assert "Nothing was computed for it." in text
    assert "93.0\u202f%" in text
    evidence = [one for one in elements(card) if in_props(one, "data-region") == "evidence"]
    assert [digits for region in evidence for digits in uncovered_digits(region)] == []
    assert {found["data-source"] for found in sources(card)} == {
        "formula:answer_seconds(job 5, of adapted)",
        "formula:answer_probability(job 5, of adapted, place 0)",
        "formula:answer_probability(job 5, of adapted, place 1)",
        "formula:waited_seconds(job 5)",
    }
