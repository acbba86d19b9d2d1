"""The study page's parts: head, flags, table, tuning, seeds, failures; and the page as the server gives it."""

from datetime import UTC, datetime
from typing import Any

import pytest

from app.schemas import ConfigurationView, RunCounts, RunView, StudyDocument, StudyView
from app.ui.cells import QUALITY, Matrix
from app.ui.study import figures, grid, head, tabs
from app.ui.study.actions import buttons
from app.ui.study.chosen import Chosen
from app.ui.study.views import heatmap_view, nothing_yet, radar_view
from app.ui.theme import LIGHT
from peft_core.spec import Splits
from tests.app.ui.components import elements, sources, text_of, uncovered_digits
from tests.app.ui.documents import comparison
from tests.flow.finished_study import QUICKSTART

NOW = datetime(2026, 3, 2, tzinfo=UTC)
LORA, P_TUNING_V2 = 4, 7


def matrix(**changes: Any) -> Matrix:
    return Matrix(comparison().model_copy(update=changes), "accuracy")


def view(**changes: Any) -> StudyView:
    document = StudyDocument.model_validate({"name": "Quickstart", "methods": [{"method": "lora"}], "seeds": [0, 1, 2]})
    fields: dict[str, Any] = {
        "id": 1,
        "name": "Quickstart",
        "status": "succeeded",
        "document": document,
        "task_kind": "classification",
        "metric": "accuracy",
        "splits": Splits(train=400, validation=300, test=600),
        "precision": "bf16",
        "counts": RunCounts(succeeded=45, failed=1),
        "failures": 1,
        "created_at": NOW,
        "created_by": "local",
        "updated_at": NOW,
        "finding": [],
    }
    return StudyView(**fields | changes)


def run(run_id: int, **changes: Any) -> RunView:
    fields: dict[str, Any] = dict.fromkeys(RunView.model_fields)
    fields |= {
        "id": run_id,
        "study_id": 1,
        "study_name": "Quickstart",
        "configuration": LORA,
        "method": "lora",
        "label": "LoRA r8",
        "family": "lora",
        "seed": 0,
        "purpose": "report",
        "status": "succeeded",
        "step": 150,
        "attempt": 1,
        "cancel_requested": False,
        "source": "measured",
        "stalled": False,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return RunView(**fields | changes)


# -- head -------------------------------------------------------------------------------------------------------------


def test_a_single_seed_and_a_status_are_words_in_the_head() -> None:
    one = view().document.model_copy(update={"seeds": [0]})
    assert "single seed" in text_of(head.title(view(document=one)))
    assert "single seed" not in text_of(head.title(view()))
    assert "finished" in text_of(head.title(view()))


def test_what_small_splits_cannot_tell_stands_in_the_head() -> None:
    warning = "The test split has 60 items: accuracy on them is known to ±12.3 points at worst."
    (shown,) = head.small_splits(view(warnings=[warning]))
    assert warning in text_of(shown)
    assert head.small_splits(view()) == []


def test_the_partial_note_counts_the_runs_and_says_by_which_formula() -> None:
    note = head.partial(view(status="running", counts=RunCounts(succeeded=5, failed=1, queued=3, running=1)))
    assert text_of(note).startswith("6 of 10 runs in.")
    assert [found["data-source"] for found in sources(note)] == ["formula:runs_ended(study 1)", "formula:runs(study 1)"]
    assert uncovered_digits(note) == []
    assert head.partial(view()) == []


def test_flags_mark_names_and_versions_and_leave_no_other_digit() -> None:
    flags = [
        "LoRA r8: the best learning rate lies at the edge.",
        "The runs used different versions of torch: 2.12.1, 2.13.0.",
    ]
    shown = head.flags(matrix(flags=flags))
    assert text_of(shown).startswith("2 comparability notes")
    assert uncovered_digits(shown) == []
    assert uncovered_digits(head.flags(matrix(flags=["The gain is 12 points."]))) != []
    assert head.flags(matrix(flags=[])) == []


def test_a_verdict_that_disagrees_with_its_interval_is_flagged() -> None:
    wrong = [
        difference.model_copy(update={"verdict": "better"}) if difference.configuration == LORA else difference
        for difference in comparison().differences
    ]
    assert head.mismatches(matrix()) == []
    assert head.mismatches(matrix(differences=wrong)) == ["LoRA r8: interval and verdict disagree"]


@pytest.mark.parametrize(("status", "shown"), [("running", "study-cancel"), ("succeeded", "study-delete")])
def test_a_running_study_can_be_cancelled_and_an_ended_one_deleted(status: str, shown: str) -> None:
    found = {getattr(element, "id", None): element for element in elements(buttons(view(status=status)))}
    hidden = {"study-cancel", "study-delete"} - {shown}
    assert getattr(found[shown], "display", None) is None
    assert [found[name].display for name in hidden] == ["none"]
    links = [str(element.href) for element in elements(buttons(view())) if hasattr(element, "href")]
    assert links == ["#study-team"] + [
        f"/api/v1/studies/1/export?format={kind}" for kind in ("html", "csv", "md", "json", "yaml")
    ]


# -- table ------------------------------------------------------------------------------------------------------------


def test_the_table_shows_what_the_heatmap_shows_with_interval_n_p_and_verdict() -> None:
    rows = {row["method"]: row for row in grid.rows(matrix(), matrix().ordered(QUALITY))}
    lora = rows["LoRA r8"]
    assert [piece["text"] for piece in lora[f"{QUALITY}_pieces"]] == ["93.7\u202f%"]
    assert [piece["text"] for piece in lora["interval_pieces"]] == ["92.8\u202f%", " – ", "94.5\u202f%"]
    assert lora["n_pieces"][0]["text"] == "3"
    assert lora["p_value_pieces"][0]["text"] == "0.310"
    assert lora["verdict_pieces"][0]["text"] == "tie"
    assert rows["P-Tuning v2 n20"]["failures_pieces"][0]["text"] == "1"
    assert rows["Full fine-tuning"]["difference_pieces"][0]["text"] == "reference"


def test_every_piece_of_the_table_with_a_digit_has_a_source_or_is_a_name() -> None:
    pieces = [
        piece
        for row in grid.rows(matrix(), matrix().ordered(QUALITY))
        for field, found in row.items()
        if field.endswith("_pieces")
        for piece in found
    ]
    spoken = [piece for piece in pieces if any(character.isdecimal() for character in piece["text"])]
    assert len(spoken) > 60
    assert all({"data-source", "data-label"} & piece["attributes"].keys() for piece in spoken)


def test_a_missing_value_sorts_as_none_and_says_why() -> None:
    row = next(row for row in grid.rows(matrix(), matrix().ordered(QUALITY)) if row["method"] == "Untuned")
    assert row["training_speed"] is None
    assert row["training_speed_pieces"][0]["attributes"]["title"] == "this method trains nothing"


def test_a_value_that_is_only_known_to_be_larger_shows_by_how_much_with_its_runs() -> None:
    known: dict[str, Any] = {
        "mean": None,
        "values": [],
        "n": 0,
        "at_least": 11.5,
        "missing": "not reached: a run ended below the target",
    }
    cells = [
        cell.model_copy(update=known | {"run_ids": [41, 42]})
        if (cell.configuration, cell.metric) == (LORA, "inference_latency")
        else cell
        for cell in comparison().cells
    ]
    row = next(row for row in grid.rows(matrix(cells=cells), matrix().ordered(QUALITY)) if row["method"] == "LoRA r8")
    assert row["inference_latency"] is None
    sign, number = row["inference_latency_pieces"]
    assert (sign["text"] + number["text"]).replace("\u202f", " ") == "> 11.5 s"
    assert (number["attributes"]["data-statistic"], number["attributes"]["data-source"]) == ("at_least", "runs:41,42")


# -- tuning, seeds, failures ------------------------------------------------------------------------------------------


def test_the_tuning_budget_shows_every_rate_tried_its_score_and_the_choice() -> None:
    shown = tabs.tuning(matrix())
    words = text_of(shown)
    assert "1e−3 → 92.7\u202f%" in words
    assert "grid too narrow" in words
    assert "Not tuned: Untuned." in words
    assert uncovered_digits(shown) == []
    chosen = [element for element in elements(shown) if getattr(element, "className", "") == "study-chosen"]
    assert len(chosen) == sum(bool(row.learning_rates) for row in QUICKSTART)


def halved() -> list[ConfigurationView]:
    """The rows, of which LoRA's grid was halved after a first rung."""
    rows = comparison().configurations
    lora = next(row for row in rows if row.id == LORA)
    first = [
        point.model_copy(update={"rung_steps": 38, "full_steps": 150, "validation_score": 0.5, "run_id": 100 + place})
        for place, point in enumerate(lora.tuning)
    ]
    whole = [point for point in lora.tuning if point.learning_rate == lora.learning_rate]
    changed = lora.model_copy(update={"tuning": [*first, *whole], "grid_edge": False})
    return [changed if row.id == LORA else row for row in rows]


def test_a_first_rung_stands_apart_from_what_was_chosen_among() -> None:
    shown = tabs.tuning(matrix(configurations=halved()))
    words = text_of(shown)
    rungs = [element for element in elements(shown) if getattr(element, "className", "") == "study-rung"]
    first, *points = (text_of(rung).strip() for rung in rungs)
    assert (first, points) == ("stopped after 38 of 150 steps", ["50.0\u202f%"] * 3)
    assert "3e−3 → 94.3\u202f%" in words
    assert "First rung: every learning rate had a part of the steps" in words
    assert "First rung" not in text_of(tabs.tuning(matrix()))
    assert uncovered_digits(shown) == []


def test_nothing_has_stopped_before_it_is_decided_who_goes_on() -> None:
    """All of a first rung still wait, or all of them go on because none has learned yet."""
    rows = {row.id: row for row in halved()}
    first = [point for point in rows[LORA].tuning if point.rung_steps is not None]
    for tuning in (first, [*first, *(point.model_copy(update={"rung_steps": None}) for point in first)]):
        shown = rows | {LORA: rows[LORA].model_copy(update={"tuning": tuning})}
        assert "stopped after" not in text_of(tabs.tuning(matrix(configurations=list(shown.values()))))


def test_an_edge_that_the_first_rung_left_out_can_be_tried() -> None:
    rows = [row.model_copy(update={"edges_left_out": [3e-2]}) if row.id == LORA else row for row in halved()]
    words = text_of(tabs.tuning(matrix(configurations=rows)))
    assert "edge left out" in words
    assert "Try the edge" in words
    row = next(row for row in rows if row.id == LORA)
    assert tabs.points_to_add(row) == (3e-2,)
    assert "is queued with the whole budget" in text_of(tabs.added(row))


def test_scores_of_a_language_model_are_nats_and_no_percentages() -> None:
    cards = [
        card.model_copy(update={"quantity": "nats"}) if card.key == QUALITY else card for card in comparison().metrics
    ]
    words = text_of(tabs.tuning(matrix(metrics=cards)))
    assert "1e−3 → 0.927" in words
    assert "%" not in words
    costs_alone = [card for card in comparison().metrics if card.key != QUALITY]
    assert "1e−3 → 0.927" in text_of(tabs.tuning(matrix(metrics=costs_alone)))


def test_a_method_that_did_not_learn_says_so() -> None:
    rows = [row.model_copy(update={"learned": False}) if row.id == LORA else row for row in comparison().configurations]
    assert "did not learn" in text_of(tabs.tuning(matrix(configurations=rows)))
    assert "did not learn" not in text_of(tabs.tuning(matrix()))


def test_every_seed_links_to_its_run() -> None:
    runs = [run(41), run(42, seed=1), run(43, seed=2, status="running"), run(46, purpose="tune", seed=1_000_003)]
    two_in = [
        cell.model_copy(update={"values": cell.values[:2], "run_ids": [41, 42]}) if 43 in cell.run_ids else cell
        for cell in comparison().cells
    ]
    shown = tabs.seeds(matrix(cells=two_in), runs)
    links = [(str(element.href), text_of(element)) for element in elements(shown) if hasattr(element, "href")]
    assert links == [("/runs/41", "94.0\u202f%"), ("/runs/42", "93.7\u202f%"), ("/runs/43", "running")]
    assert uncovered_digits(shown) == []


def test_a_failure_keeps_the_runs_own_words() -> None:
    shown = tabs.failures([run(75, status="failed", reason="The loss became NaN at step 61.", label="P-Tuning v2 n20")])
    assert "The loss became NaN at step 61." in text_of(shown)
    assert uncovered_digits(shown) == []
    assert [str(element.href) for element in elements(shown) if hasattr(element, "href")] == ["/runs/75"]
    assert text_of(tabs.failures([run(41)])) == "No run failed."


# -- figures ----------------------------------------------------------------------------------------------------------


def test_the_figures_sentence_names_every_row_with_its_sourced_score() -> None:
    sentence = figures.figure_sentence(matrix())
    assert "LoRA r8 93.7\u202f%" in text_of(sentence)
    assert len(sources(sentence)) == len(QUICKSTART)
    assert uncovered_digits(sentence) == []


def test_the_profile_says_which_axes_are_left_out() -> None:
    note, axes = figures.profile_note(matrix(), [1, 3, LORA])
    assert "Speed, Memory, Simplicity" in text_of(note)
    assert len(axes) == 4
    assert uncovered_digits(figures.profile_table(matrix(), [3, LORA], axes)) == []


# -- views ------------------------------------------------------------------------------------------------------------


def test_a_figure_is_changed_in_place_and_is_an_image_with_a_sentence() -> None:
    shown = heatmap_view(view(), matrix(), Chosen(), LIGHT, narrow=False)
    ids = {getattr(element, "id", None) for element in elements(shown.children)}
    assert set(shown.updates) <= ids
    image = next(element for element in elements(shown.children) if getattr(element, "role", None) == "img")
    assert getattr(image, "aria-labelledby") in ids
    assert shown.kind != heatmap_view(view(), matrix(), Chosen(), LIGHT, narrow=True).kind


def test_before_the_first_value_the_panel_says_what_is_waited_for() -> None:
    assert "No finished run yet" in text_of(nothing_yet(view(status="running")))
    assert "Nothing was measured" in text_of(nothing_yet(view(status="failed")))
    assert "validation score" in text_of(tabs.tuning(matrix(cells=[])))


def test_a_profile_of_too_few_axes_says_so() -> None:
    cells = [cell for cell in comparison().cells if cell.metric in (QUALITY, "storage_bytes")]
    assert "needs three metrics" in text_of(radar_view(matrix(cells=cells), [3, LORA], LIGHT, narrow=False).children)
    assert radar_view(matrix(), [3, LORA], LIGHT, narrow=False).updates
