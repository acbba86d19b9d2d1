"""Drift: how far an image model's pictures of other things moved. Imported results have it; no run here measures it."""

from peft_core.metric import Metric


class Drift(Metric):
    key = "drift"
    title = "Drift"
    quantity = "coefficient"
    unit = "coefficient"
    better = "lower"
    meaning = "What an image model drew before and no longer does: how far its images on unrelated prompts have moved."
    how = "As published: the distance between images of the adapted and of the base model on prompts of no task."
    purposes = frozenset({"report"})
    kinds = frozenset({"image_generation"})
    position = 30
    in_heatmap = False
