"""High performance: the best score the task can give."""

from peft_core.scenario import Scenario


class HighPerformance(Scenario):
    key = "high_performance"
    title = "High performance"
    summary = "The best score the task can give."
    position = 1
    weights = {
        "footprint": 0.05,
        "training_speed": 0.05,
        "inference": 0.10,
        "quality": 0.70,
        "memory": 0.05,
        "simplicity": 0.05,
    }
    constraint = "quality_standard_errors"
    constraint_default = 1.0
    textbook_pick = "Full fine-tuning"
