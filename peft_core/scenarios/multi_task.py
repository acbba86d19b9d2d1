"""Multi-task deployment: many adapters served from one loaded base."""

from peft_core.scenario import Scenario


class MultiTask(Scenario):
    key = "multi_task"
    title = "Multi-task deployment"
    summary = "Many adapters served from one loaded base."
    position = 2
    weights = {
        "footprint": 0.35,
        "training_speed": 0.05,
        "inference": 0.25,
        "quality": 0.25,
        "memory": 0.05,
        "simplicity": 0.05,
    }
    criteria = {"inference": ("inference_latency", "switch_time")}
    constraint = "storage_bytes"
    textbook_pick = "Adapter + LoRA"
