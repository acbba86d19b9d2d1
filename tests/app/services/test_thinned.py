"""Points of a long series are left out where nobody misses them: a spike, a gap and the last point stay."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.thinned import Values, evenly_kept, peaks_kept

MOST = 320


@pytest.fixture
def values() -> Values:
    """A smooth curve of 5,000 points."""
    return np.exp(-np.arange(5_000) / 900)


def test_a_short_series_is_whole(values: Values) -> None:
    assert peaks_kept(values[:MOST], MOST).tolist() == list(range(MOST))


def test_a_spike_of_one_point_stays(values: Values) -> None:
    values[3_217], values[411] = 2.4, -1.0
    kept = peaks_kept(values, MOST)
    assert {3_217, 411} <= set(kept)
    assert len(kept) <= MOST


def test_a_line_breaks_where_values_were_no_numbers(values: Values) -> None:
    values[1_804:1_829] = np.nan
    values[4_000] = np.nan
    kept = peaks_kept(values, MOST)
    assert 4_000 in kept
    assert np.isnan(values[kept]).sum() >= 2
    before, after = kept[kept < 1_804].max(), kept[kept >= 1_829].min()
    assert np.isnan(values[kept[(kept > before) & (kept < after)]]).all()


def test_a_series_of_no_numbers_says_so(values: Values) -> None:
    kept = peaks_kept(np.full_like(values, np.nan), MOST)
    assert {0, len(values) - 1} <= set(kept)


def test_even_places_are_the_same_for_every_series(values: Values) -> None:
    kept = evenly_kept(values, 40)
    assert len(kept) == 40
    assert kept.tolist() == evenly_kept(np.roll(values, 7), 40).tolist()


known = st.floats(-1e6, 1e6) | st.just(np.nan)


@given(st.lists(known, min_size=1, max_size=300), st.integers(2, 60))
def test_ends_and_extremes_are_always_among_few_enough(listed: list[float], most: int) -> None:
    values = np.array(listed)
    kept = peaks_kept(values, most)
    assert len(kept) <= most
    assert {0, len(values) - 1} <= set(kept)
    assert (np.diff(kept) > 0).all()
    if most >= 5 and not np.isnan(values).all():
        assert np.nanmax(values[kept]) == np.nanmax(values)
        assert np.nanmin(values[kept]) == np.nanmin(values)
