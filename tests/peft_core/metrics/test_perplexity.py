"""Perplexity is e to the mean token loss, over all tokens and not over items."""

import math

import pytest

from peft_core.metrics.perplexity import Perplexity
from peft_core.tasks._language import Continuation
from tests.peft_core.metrics.conftest import AnsweredRun


def test_all_nats_over_all_predicted_tokens(answered: AnsweredRun) -> None:
    # Items of 3 and 1 predicted tokens (of 4); 2 ln 2 + 6 ln 2 nats over 4 tokens are ln 4 a token.
    run = answered("causal_lm", [Continuation(1), Continuation(3)], [2 * math.log(2), 6 * math.log(2)])
    assert Perplexity().measure(run).value == pytest.approx(4)


def test_a_loss_beyond_numbers_is_missing(answered: AnsweredRun) -> None:
    found = Perplexity().measure(answered("causal_lm", [Continuation(1)], [3_000.0]))
    assert found.value is None
    assert "1000 nats" in str(found.detail["missing"])
