"""Repeated timing: what warms up does not count, and a slow model is timed once at least."""

import pytest

from peft_core import latency
from peft_core.latency import repeated


def test_200_calls_count_after_20_that_do_not() -> None:
    assert repeated(float) == [float(call) for call in range(20, 220)]


def test_past_the_limit_one_call_warms_up_and_one_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "LONGEST_SECONDS", 0.0)
    assert repeated(float) == [1.0]
