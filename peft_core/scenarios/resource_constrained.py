"""Resource-constrained: one small device, and training must fit it."""

from peft_core.scenario import Scenario


class ResourceConstrained(Scenario):
    key = "resource_constrained"
    title = "Resource-constrained"
    summary = "One small device, and training must fit it."
    position = 0
    weights = {
        "footprint": 0.10,
        "training_speed": 0.20,
        "inference": 0.05,
        "quality": 0.20,
        "memory": 0.40,
        "simplicity": 0.05,
    }
    constraint = "peak_memory_bytes"
    textbook_pick = "LoRA r16-32"
