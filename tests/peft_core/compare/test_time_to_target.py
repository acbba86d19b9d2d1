"""The target and the time to it, by hand; never reached is no time."""

import pytest

from peft_core.compare.time_to_target import TrainedFor, target_score, time_to_target

VALIDATIONS = [(10.0, 0.70), (20.0, 0.93), (30.0, 0.91), (40.0, 0.95)]


def test_the_target_keeps_95_per_cent_of_the_gain() -> None:
    assert target_score(0.68, 0.94) == pytest.approx(0.68 + 0.95 * 0.26)
    # Token losses with their signs turned: from 4.2 to 3.2 nats.
    assert target_score(-4.2, -3.2) == pytest.approx(-3.25)


@pytest.mark.parametrize(("target", "seconds"), [(0.69, 10), (0.71, 20), (0.93, 20), (0.94, 40)])
def test_the_first_validation_at_the_target_counts(target: float, seconds: float) -> None:
    assert time_to_target(VALIDATIONS, target) == TrainedFor(seconds, reached=True)


def test_a_run_that_never_gets_there_tells_how_long_it_tried() -> None:
    assert time_to_target(VALIDATIONS, 0.96) == TrainedFor(40, reached=False)
