"""Scores of carried figures, by hand and against the anchors that measured ones have."""

import math

import pytest

from peft_core.compare.carried_ranking import natural, rank_carried
from peft_core.compare.lookup import Estimate
from peft_core.compare.normalise import ratio_score
from peft_core.compare.recommend import QUALITY
from peft_core.metric import RatioAnchors, metrics

SIZE, STORED, SPEED = "trainable_parameters", "storage_bytes", "training_speed"


def estimates(error: float | None = 0.0, **rows: dict[str, float]) -> dict[tuple[str, str], Estimate]:
    return {
        (name, metric): Estimate(value, error, 3, (1, 2, 3))
        for name, row in rows.items()
        for metric, value in row.items()
    }


def test_scores_are_those_of_the_anchors() -> None:
    found = rank_carried(
        estimates(lora={QUALITY: 0.99, SIZE: math.log(0.01), STORED: math.log(0.1)}),
        ["lora"],
        {"quality": 0.6, "footprint": 0.4},
        quality_floor=0.95,
    )
    [row] = found.ranked
    assert row.score == pytest.approx(0.6 * 0.99 / 1.1 + 0.4 * (0.5 + 0.25) / 2)
    assert row.p_best == 1.0
    assert found.weights == {"quality": 0.6, "footprint": 0.4}


@pytest.mark.parametrize("metric", ["training_speed", "inference_latency", "peak_memory"])
@pytest.mark.parametrize("ratio", [0.1, 0.7, 1.0, 2.5, 20.0])
def test_a_ratio_scores_as_if_it_were_measured(metric: str, ratio: float) -> None:
    criterion = {"training_speed": "training_speed", "inference_latency": "inference", "peak_memory": "memory"}[metric]
    rows = estimates(lora={QUALITY: 1.0, metric: math.log(ratio)})
    found = rank_carried(rows, ["lora"], {criterion: 1.0}, quality_floor=0.9)  # type: ignore[dict-item]
    card = metrics()[metric]
    assert isinstance(card.anchors, RatioAnchors)
    expected = ratio_score(ratio, 1.0, card.anchors, higher_is_better=card.better == "higher")
    assert found.ranked[0].score == pytest.approx(expected)


def test_below_the_floor_or_without_a_quality_is_not_ranked() -> None:
    rows = estimates(good={QUALITY: 0.96}, poor={QUALITY: 0.94}, blank={SPEED: 0.0})
    found = rank_carried(rows, ["good", "poor", "blank"], {"quality": 1.0}, quality_floor=0.95)
    assert [row.name for row in found.ranked] == ["good"]
    assert (found.below_floor, found.lacking) == (("poor",), ("blank",))


def test_a_criterion_that_one_lacks_is_dropped_for_all() -> None:
    rows = estimates(a={QUALITY: 1.0, SPEED: 0.0}, b={QUALITY: 0.99})
    found = rank_carried(rows, ["a", "b"], {"quality": 0.5, "training_speed": 0.5}, quality_floor=0.95)
    assert found.dropped["training_speed"] == SPEED
    assert found.weights == {"quality": 1.0}
    assert rank_carried(rows, ["a", "b"], {"training_speed": 1.0}, quality_floor=0.95).ranked == ()


def test_a_metric_that_one_lacks_leaves_the_rest_of_its_criterion() -> None:
    rows = estimates(a={QUALITY: 1.0, SIZE: math.log(0.01), STORED: 0.0}, b={QUALITY: 1.0, SIZE: math.log(0.1)})
    found = rank_carried(rows, ["a", "b"], {"footprint": 1.0}, quality_floor=0.95)
    assert [row.score for row in found.ranked] == pytest.approx([0.5, 0.25])
    assert found.dropped == {}


def test_errors_make_the_answer_unsure_and_unknown_ones_give_no_probability() -> None:
    rows = {"a": {QUALITY: 0.98}, "b": {QUALITY: 0.97}}
    sure = rank_carried(estimates(0.0, **rows), ["a", "b"], {"quality": 1.0}, quality_floor=0.9)
    unsure = rank_carried(estimates(0.05, **rows), ["a", "b"], {"quality": 1.0}, quality_floor=0.9)
    unknown = rank_carried(estimates(None, **rows), ["a", "b"], {"quality": 1.0}, quality_floor=0.9)
    assert sure.ranked[0].p_best == 1.0
    assert 0.5 < (unsure.ranked[0].p_best or 0) < 0.7
    assert [row.p_best for row in unknown.ranked] == [None, None]
    assert [row.name for row in unknown.ranked] == ["a", "b"]


def test_figures_are_read_as_ratios_shares_or_values() -> None:
    assert natural(SIZE, math.log(0.01)) == pytest.approx(0.01)
    assert natural(SIZE, math.log(1e-12)) == 0.0
    assert (natural(QUALITY, 0.97), natural("simplicity", 0.5)) == (0.97, 0.5)
