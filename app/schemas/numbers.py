"""Numbers that a page may show, each with where it came from."""

from typing import Literal

from app.schemas.document import Document, SourceKind
from peft_core.metric import Quantity

NumberQuantity = Quantity | Literal["ratio", "points", "probability", "score", "learning_rate", "p_value", "series"]


class Number(Document):
    """A number that a page may show, with what it takes to compute it again.

    statistic: how `value` follows from the measurements of `metric` in `run_ids` (and `reference_run_ids`):
    mean, half_width, lo, hi, value, count, normalised, difference (mean - reference mean), ratio (mean / reference
    mean), p_best, score, rank_lo, rank_hi, p_value, formula. formula: the name of the formula where one is used.
    at_step, median_of_steps: of the run's series called `metric`, at the step or over the first and last of `steps`.
    """

    value: float
    quantity: NumberQuantity
    statistic: str
    metric: str | None = None
    source: SourceKind = "measured"
    run_ids: list[int] = []
    reference_run_ids: list[int] = []
    formula: str | None = None
    steps: list[int] = []


class Part(Document):
    """A piece of a sentence: plain words, the name of a configuration (`label`), or a number."""

    text: str | None = None
    label: str | None = None
    number: Number | None = None


Sentence = list[Part]
