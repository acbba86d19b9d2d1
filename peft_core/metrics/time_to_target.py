"""Time to target: no run measures it alone; a study works it out of its runs' validations (peft_core.compare)."""

from peft_core.metric import Metric


class TimeToTarget(Metric):
    key = "time_to_target"
    title = "Time to target"
    quantity = "seconds"
    unit = "s"
    better = "lower"
    meaning = "How long a method trains until it keeps 95 % of full fine-tuning's gain: what a fast step is worth."
    how = (
        "Seconds of a reporting run's training steps until its first validation at the target: the untuned row's"
        " validation score plus 95 % of the gain to full fine-tuning's mean, in this study. Where a seed never gets"
        " there the mean is only known to be larger. Other runs on the same device make the seconds longer."
    )
    purposes = frozenset()
    position = 13
    in_heatmap = False
