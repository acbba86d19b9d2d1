"""What is drawn around means: t over seeds, a normal over shared items, a binomial where only counts are known."""

from collections.abc import Sequence

import numpy as np
import pytest
from scipy import stats

from peft_core.compare.candidates import Candidate
from peft_core.compare.draws import draw_values

DRAWS = 20_000


def right(key: int, share: float, items: int = 500, seeds: int = 1) -> Candidate:
    random = np.random.default_rng(key)
    scores = (random.random((seeds, items)) < share).astype(float)
    return Candidate(key, {"task_performance": tuple(scores.mean(axis=1))}, scores)


def timed(key: int, *values: float) -> Candidate:
    return Candidate(key, {"inference_latency": values})


def noise(rows: Sequence[Candidate], metric: str = "task_performance", seed: int = 0) -> np.ndarray:
    means = np.array([np.mean(row.values[metric]) for row in rows])
    return np.asarray(draw_values(rows, metric, DRAWS, seed) - means)


def test_a_cost_over_seeds_is_drawn_from_students_t() -> None:
    values = (0.010, 0.011, 0.0095)
    (column,) = noise([timed(3, *values)], "inference_latency").T
    expected = stats.t.interval(0.9, 2, scale=stats.sem(values))
    assert np.quantile(column, [0.05, 0.95]) == pytest.approx(expected, rel=0.08)


def test_one_more_seed_narrows_it() -> None:
    rows, spread = [timed(3, 0.010, 0.011, 0.0095)], []
    for more in (0, 1, 3):
        drawn = draw_values(rows, "inference_latency", DRAWS, 0, more)
        spread.append(float(np.subtract(*np.quantile(drawn, [0.95, 0.05]))))
    sem = stats.sem(rows[0].values["inference_latency"])
    assert spread == pytest.approx(
        [2 * stats.t.ppf(0.95, 2 + more) * sem * (3 / (3 + more)) ** 0.5 for more in (0, 1, 3)], rel=0.08
    )


def test_what_was_measured_once_or_never_varies_is_not_drawn() -> None:
    rows = [timed(1, 0.01), timed(2, 0.02, 0.02), Candidate(3, {})]
    drawn = draw_values(rows, "inference_latency", DRAWS, 0)
    assert drawn.shape == (1, 3)
    assert drawn[0, :2].tolist() == [0.01, 0.02]
    assert np.isnan(drawn[0, 2])


def test_one_seed_of_quality_varies_as_its_items_do() -> None:
    rows = [right(1, 0.9), right(2, 0.7)]
    covariance = np.cov(noise(rows).T)
    items = np.stack([row.item_scores[0] for row in rows if row.item_scores is not None])
    assert covariance == pytest.approx(np.cov(items) / 500, abs=2e-5)


def test_rows_right_on_the_same_items_vary_together() -> None:
    row = right(1, 0.8)
    twin = Candidate(2, row.values, row.item_scores)
    first, second = noise([row, twin]).T
    assert first == pytest.approx(second, abs=1e-9)


def test_a_count_is_drawn_from_its_binomial() -> None:
    rows = [Candidate(1, {"task_performance": (0.48,)}, counted_items=1319)]
    drawn = noise(rows)
    assert float(drawn.std()) == pytest.approx((0.48 * 0.52 / 1319) ** 0.5, rel=0.03)
    certain = [Candidate(1, {"task_performance": (1.0,)}, counted_items=20)]
    assert float(noise(certain).min()) < -0.05


def test_a_score_that_is_no_share_is_not_drawn_from_a_count() -> None:
    assert noise([Candidate(1, {"task_performance": (3.2,)}, counted_items=20)]).std() == 0


def test_draws_follow_the_key_and_the_seed() -> None:
    rows = [right(1, 0.9, seeds=3), right(2, 0.7, seeds=3), right(3, 0.8, seeds=3)]
    there, back = noise(rows), noise(rows[::-1])
    assert there == pytest.approx(back[:, ::-1], abs=1e-12)
    assert (there == noise(rows)).all()
    assert not (there == noise(rows, seed=1)).any()


def test_items_of_another_split_are_drawn_apart() -> None:
    first, _, third = noise([right(1, 0.8), right(2, 0.8), right(3, 0.8, items=200)]).T
    assert float(np.std(third) / np.std(first)) == pytest.approx((500 / 200) ** 0.5, rel=0.1)
