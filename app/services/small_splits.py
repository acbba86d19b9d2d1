"""What splits this small cannot tell, one sentence each."""

from app.language import mark, tr, trn
from peft_core.data import SmallSplit, small_splits
from peft_core.spec import Splits
from peft_core.task import Score

SPLITS = {"validation": mark("validation"), "test": mark("test")}


def split_warnings(splits: Splits, score: Score) -> list[str]:
    """Nothing where the splits are large enough."""
    return [_warning(small, tr(score.headline)) for small in small_splits(splits, score)]


def _warning(small: SmallSplit, score: str) -> str:
    told = {"split": tr(SPLITS[small.name]), "score": score, "wanted": small.wanted}
    if small.points is not None:
        return trn(
            "The {split} split has {count} item: {score} on them is known to ±{points:.1f} points at worst (95 %"
            " interval at 50 %). {wanted} or more are better.",
            "The {split} split has {count} items: {score} on them is known to ±{points:.1f} points at worst (95 %"
            " interval at 50 %). {wanted} or more are better.",
            small.items,
            points=small.points,
            **told,
        )
    return trn(
        "The {split} split has {count} item: the interval of {score} is {times:.1f} times as wide as with {wanted}."
        " {wanted} or more are better.",
        "The {split} split has {count} items: the interval of {score} is {times:.1f} times as wide as with {wanted}."
        " {wanted} or more are better.",
        small.items,
        times=small.times_as_wide,
        **told,
    )
