"""Production deployment: served for a long time under a latency target."""

from peft_core.scenario import Scenario


class Production(Scenario):
    key = "production"
    title = "Production deployment"
    summary = "Served for a long time under a latency target."
    position = 4
    weights = {
        "footprint": 0.10,
        "training_speed": 0.05,
        "inference": 0.35,
        "quality": 0.35,
        "memory": 0.05,
        "simplicity": 0.10,
    }
    constraint = "inference_latency_p95_seconds"
    textbook_pick = "LoRA r32-64"
