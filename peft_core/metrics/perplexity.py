"""Perplexity: the mean token loss of a language model, told as a number of equally likely tokens."""

import math
from typing import TYPE_CHECKING

from peft_core.metric import Metric
from peft_core.spec import Measurement

if TYPE_CHECKING:
    from peft_core.run_state import RunInProgress

LARGEST_NATS = 700.0
"""e to a higher power is no number of a computer."""


class Perplexity(Metric):
    key = "perplexity"
    title = "Perplexity"
    quantity = "coefficient"
    unit = "tokens"
    better = "lower"
    meaning = (
        "Among how many equally likely tokens the model seems to choose at each place. It is e to the power of the task"
        " performance, the mean token loss, and says nothing more."
    )
    how = "exp of all nats over all predicted tokens of the test split."
    purposes = frozenset({"report"})
    kinds = frozenset({"causal_lm", "instruction"})
    position = 25
    in_heatmap = False

    def measure(self, run: "RunInProgress") -> Measurement:
        assert run.test_scores is not None, "reporting runs read the test split"
        nats = sum(run.test_scores) / len(run.test_scores)
        if not nats <= LARGEST_NATS:
            return self.missing(f"the mean token loss, {nats:g} nats, has no perplexity that can be written down")
        return Measurement(metric=self.key, value=math.exp(nats), detail={"token_loss_nats": nats})
