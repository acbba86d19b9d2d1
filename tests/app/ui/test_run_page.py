"""The run page's diagnosis and spectrum: every digit has a source, and what is missing is said in a sentence."""

from datetime import UTC, datetime
from typing import Any, get_args

import numpy as np
import pytest

from app.schemas import (
    DiagnosisView,
    LayerSpectrum,
    MeasurementView,
    Number,
    Part,
    RunDetail,
    SpectrumLayer,
    SpectrumView,
)
from app.services.catalogue import list_metrics
from app.ui.cells import QUALITY
from app.ui.charts.spectrum import MOST_POINTS, spectrum_figure
from app.ui.run.diagnosis import TITLES, diagnosis_panel
from app.ui.run.measured import measured_panel
from app.ui.run.spectrum import layer_shown, spectrum_panel
from app.ui.theme import DARK, LIGHT
from peft_core.analysis.diagnosis import Symptom
from peft_core.analysis.update_spectrum import approximation_error, cumulative_energy, rank_for_energy
from peft_core.task import task_kind
from tests.app.ui.components import elements, sources, text_of, uncovered_digits
from tests.flow.evidence import read_trace, unexplained_digits

NOW = datetime(2026, 3, 2, tzinfo=UTC)


def run(**changes: Any) -> RunDetail:
    fields: dict[str, Any] = dict.fromkeys(RunDetail.model_fields)
    fields |= {
        "id": 41,
        "study_id": 1,
        "study_name": "Quickstart",
        "task_kind": "classification",
        "score_quantity": "fraction",
        "source": "measured",
        "configuration": 4,
        "method": "lora",
        "label": "LoRA r8",
        "family": "lora",
        "seed": 0,
        "purpose": "report",
        "learning_rate": 3e-3,
        "status": "succeeded",
        "step": 150,
        "attempt": 1,
        "cancel_requested": False,
        "stalled": False,
        "created_at": NOW,
        "updated_at": NOW,
        "measurements": [],
        "artifacts": [],
        "attempts": [],
        "series": [],
        "last_line": 0,
    }
    return RunDetail(**fields | changes)


def diagnosis(**changes: Any) -> DiagnosisView:
    fields: dict[str, Any] = {
        "run_id": 41,
        "status": "succeeded",
        "learned": True,
        "symptom": None,
        "evidence": [],
        "causes": [],
        "fixes": [],
        "prevention": [],
    }
    return DiagnosisView(**fields | changes)


# -- diagnosis --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("of_run", "found", "said"),
    [
        ({}, {}, "Nothing wrong: training was stable"),
        ({}, {"learned": None}, "Nothing wrong was found in its curves."),
        ({"learning_rate": None}, {"learned": None}, "this run trains nothing"),
        ({"status": "running"}, {"learned": None}, "Nothing wrong so far."),
        ({"status": "queued"}, {"learned": None}, "Nothing to diagnose yet."),
        ({"status": "failed"}, {"learned": None}, "None of the four symptoms"),
        ({"status": "cancelled"}, {"learned": None}, "Stopped before"),
    ],
)
def test_where_nothing_is_wrong_there_is_one_quiet_sentence(
    of_run: dict[str, Any], found: dict[str, Any], said: str
) -> None:
    panel = diagnosis_panel(run(**of_run), diagnosis(**found))
    assert said in text_of(panel)
    assert not [element for element in elements(panel) if type(element).__name__ in {"Ul", "H4"}]


def test_a_symptom_comes_with_sourced_evidence_and_what_to_change() -> None:
    median = Number(
        value=812.5,
        quantity="series",
        statistic="median_of_steps",
        metric="gradient_norm",
        run_ids=[41],
        steps=[114, 150],
    )
    point = Number(
        value=1.5, quantity="learning_rate", statistic="at_step", metric="learning_rate", run_ids=[41], steps=[15]
    )
    evidence = [
        [Part(text="The gradient norm grew to "), Part(number=median), Part(text=".")],
        [Part(text="The learning rate was "), Part(number=point), Part(text=".")],
    ]
    found = diagnosis(
        symptom="unstable_training",
        evidence=evidence,
        causes=["The learning rate is too high."],
        fixes=["Divide the learning rate by ten."],
        prevention=["Keep warm-up."],
    )
    panel = diagnosis_panel(run(), found)
    text = text_of(panel)
    assert "Unstable training" in text
    assert "grew to 812.5 (median of steps 114 to 150)." in text
    assert "was 1.5 (step 15)." in text
    assert text.index("Divide the learning rate") < text.index("is too high") < text.index("Keep warm-up")
    assert uncovered_digits(panel) == []
    assert [found["data-step"] for found in sources(panel)] == ["114,150", "15"]


def test_every_symptom_has_a_title() -> None:
    assert set(TITLES) == set(get_args(Symptom))


# -- measured ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "score", "shown"),
    [("classification", 0.927, "92.7\u202f%"), ("causal_lm", 4.193, "4.193"), ("regression", 0.61, "0.610")],
)
def test_scores_are_shown_in_the_quantity_of_the_runs_task(kind: str, score: float, shown: str) -> None:
    measured = MeasurementView(metric=QUALITY, value=score, detail={})
    quantity = task_kind(kind).quantity
    found = run(task_kind=kind, score_quantity=quantity, validation_score=score, measurements=[measured])
    panel = measured_panel(found, {card.key: card for card in list_metrics()})
    _, *rows = [element for element in elements(panel) if type(element).__name__ == "Tr"]
    assert [shown in text_of(row) for row in rows] == [True, True]
    assert uncovered_digits(panel) == []


# -- spectrum ---------------------------------------------------------------------------------------------------------


def layer(path: str, count: int, width: int = 384) -> LayerSpectrum:
    values = np.geomspace(0.5, 1e-3, count)
    return LayerSpectrum(
        layer=path,
        role="query",
        relative_change=0.021,
        rank_90=rank_for_energy(values, 0.9),
        rank_99=rank_for_energy(values, 0.99),
        d_in=width,
        d_out=width,
        rounding_floor=2.3e-8,
        singular_values=values.tolist(),
        cumulative_energy=cumulative_energy(values).tolist(),
        approximation_error=approximation_error(values).tolist(),
    )


def spectrum(*layers: LayerSpectrum, **changes: Any) -> SpectrumView:
    short = [SpectrumLayer.model_validate(one.model_dump(include=set(SpectrumLayer.model_fields))) for one in layers]
    fields: dict[str, Any] = {
        "run_id": 41,
        "looked_at": "all transformer layers",
        "unchanged": 34,
        "seconds": 0.4,
        "missing": None,
        "layers": short,
        "shown": layers[0] if layers else None,
    }
    return SpectrumView(**fields | changes)


def test_the_panel_counts_layers_and_offers_each_by_what_tells_it_apart() -> None:
    found = spectrum(layer("bert.encoder.layer.0.attention.self.query", 8), layer("bert.encoder.layer.11.output", 300))
    panel = spectrum_panel(found)
    assert "2 of 36 linear layers in all transformer layers changed." in text_of(panel)
    assert uncovered_digits(panel) == []
    (select,) = [element for element in elements(panel) if getattr(element, "id", None) == "run-layer"]
    assert [choice["label"] for choice in select.data] == ["0.attention.self.query", "11.output"]
    assert select.value == select.data[0]["value"] == "bert.encoder.layer.0.attention.self.query"


def test_one_layer_alone_keeps_its_whole_name() -> None:
    (select,) = [
        e for e in elements(spectrum_panel(spectrum(layer("a.b", 8)))) if getattr(e, "id", None) == "run-layer"
    ]
    assert select.data == [{"value": "a.b", "label": "a.b"}]


def test_a_run_that_changed_no_weight_says_why() -> None:
    panel = spectrum_panel(spectrum(missing="Adapter changes no weight of the base model."))
    assert "Adapter changes no weight" in text_of(panel)
    assert not [element for element in elements(panel) if getattr(element, "id", None) == "run-layer"]


def test_a_layer_in_words_says_what_a_usual_rank_would_miss_and_what_is_rounding() -> None:
    wide = layer_shown(layer("a.0", 384), LIGHT, 41)
    assert "in 384 of 384 directions" in text_of(wide)
    assert "The best update of rank 16 would miss it by" in text_of(wide)
    assert "rounding" not in text_of(wide)
    narrow = layer_shown(layer("a.0", 8), LIGHT, 41)
    assert "rank 16" not in text_of(narrow)
    assert "Singular values below 2.3e−8 are rounding" in text_of(narrow)
    assert uncovered_digits(wide) == uncovered_digits(narrow) == []


@pytest.mark.parametrize("count", [1, 2, 8, 384])
@pytest.mark.parametrize("colours", [LIGHT, DARK])
def test_every_point_of_the_figure_explains_its_digits(count: int, colours: Any) -> None:
    shown = layer("bert.encoder.layer.3.output.dense", count)
    figure = spectrum_figure(shown, colours, run_id=41).to_dict()
    for number, trace in enumerate(figure["data"]):
        assert len(trace["x"]) <= MOST_POINTS + 2
        flat = {name: trace.get(name) for name in ("text", "hovertext", "customdata", "hovertemplate", "texttemplate")}
        seen = flat | {"type": "scatter", "mode": trace["mode"], "name": "", "points": len(trace["y"])}
        points, problems = read_trace(seen | {"hoverinfo": trace.get("hoverinfo", "")}, f"trace {number}")
        assert problems == []
        assert points
        assert [problem for point in points if (problem := unexplained_digits(point))] == []
    assert [text for text in figure["layout"]["annotations"] if any(c.isdecimal() for c in text["text"])] == []


def test_the_marks_lie_on_the_energy_that_their_ranks_hold() -> None:
    shown = layer("a.0", 384)
    *_, energy, error, marks = spectrum_figure(shown, LIGHT, run_id=41).data
    assert list(marks.x) == [shown.rank_99, shown.rank_90]
    assert [marks.y[0] >= 0.99, marks.y[1] >= 0.9, marks.y[1] < 0.99] == [True, True, True]
    assert (energy.x[0], energy.x[-1], energy.y[-1], error.y[-1]) == (1, 384, 1.0, 0.0)
