"""Exact match: the share of written answers that are the right one, with how they were written."""

from typing import TYPE_CHECKING

from pydantic import JsonValue

from peft_core.metric import Metric
from peft_core.spec import Measurement
from peft_core.tasks.generation import DECODING

if TYPE_CHECKING:
    from peft_core.run_state import RunInProgress


class ExactMatch(Metric):
    key = "exact_match"
    title = "Exact match"
    quantity = "fraction"
    unit = "fraction"
    better = "higher"
    meaning = (
        "Share of test prompts whose written answer is the right one. It repeats the task performance and records the"
        " decoding that it depends on."
    )
    how = "Greedy decoding; answers compared with the right ones without case, white space collapsed, numbers by value."
    purposes = frozenset({"report"})
    kinds = frozenset({"generation"})
    position = 26
    in_heatmap = False

    def measure(self, run: "RunInProgress") -> Measurement:
        assert run.test_scores is not None, "reporting runs read the test split"
        decoding: dict[str, JsonValue] = DECODING.model_dump()
        detail: dict[str, JsonValue] = {
            "decoding": decoding | {"most_tokens": max(item.target.most_tokens for item in run.test_items)},
            "items": len(run.test_scores),
        }
        return Measurement(metric=self.key, value=sum(run.test_scores) / len(run.test_scores), detail=detail)
