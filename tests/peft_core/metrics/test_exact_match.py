"""Exact match says how the answers were written, for it depends on that."""

from peft_core.metrics.exact_match import ExactMatch
from peft_core.tasks.generation import DECODING, Reference
from tests.peft_core.metrics.conftest import AnsweredRun


def test_the_share_of_right_answers_with_the_decoding(answered: AnsweredRun) -> None:
    right = [Reference(1, text, most_tokens=most) for text, most in (("Paris", 9), ("1,000", 12), ("blue", 7))]
    found = ExactMatch().measure(answered("generation", right, [" paris", "1000.0", "green"]))
    assert found.value == 2 / 3
    assert found.detail["decoding"] == DECODING.model_dump() | {"most_tokens": 12}
