"""Rapid prototyping: an answer within the hour, with little set-up."""

from peft_core.scenario import Scenario


class RapidPrototyping(Scenario):
    key = "rapid_prototyping"
    title = "Rapid prototyping"
    summary = "An answer within the hour, with little set-up."
    position = 3
    weights = {
        "footprint": 0.05,
        "training_speed": 0.35,
        "inference": 0.00,
        "quality": 0.20,
        "memory": 0.15,
        "simplicity": 0.25,
    }
    constraint = "train_seconds"
    textbook_pick = "LoRA r32-64"
