"""What the body of POST studies/{id}/runs may hold at all."""

from typing import Any

import pytest
from pydantic import ValidationError

from app.schemas import GivenPoints, RunsElsewhere


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), "high", None, [1.0]])
def test_a_metric_that_is_no_finite_number_is_refused(value: Any) -> None:
    run = {"method": "lora", "seed": 0, "metrics": {"task_performance": value}}
    with pytest.raises(ValidationError, match="task_performance"):
        RunsElsewhere.model_validate({"items": [run]})


@pytest.mark.parametrize("changes", [{"key": ""}, {"key": "a b"}, {"step": -1}, {"step": 2**31}, {"step": 1.5}])
def test_a_point_has_a_plain_key_and_a_step_that_fits(changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GivenPoints.model_validate({"items": [{"key": "train_loss", "step": 1, "value": 0.5} | changes]})
