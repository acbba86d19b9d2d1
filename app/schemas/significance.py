"""Which configurations of a study differ in quality."""

from typing import Literal

from app.schemas.document import Document
from app.schemas.numbers import Sentence
from peft_core.method import Family
from peft_core.metric import Quantity


class QualityDifference(Document):
    """The quality of `configuration` minus that of `reference`, in the score's own direction and unit.

    interval: 95 %, of this pair alone. corrected: at the level that Holm's procedure judged this pair at. p_value:
    corrected for all comparisons of the study; raw_p_value: before. verdict "tie" exactly when `corrected` covers 0:
    no difference is shown, which is not equality. covers: what the intervals speak of.
    """

    configuration: int
    reference: int
    value: float
    quantity: Quantity | Literal["points"] = "points"
    """Percentage points where the score is a share, else the score's own unit."""
    interval: tuple[float, float]
    corrected: tuple[float, float]
    raw_p_value: float
    p_value: float
    verdict: Literal["better", "tie", "worse"]
    test: str
    covers: str
    run_ids: list[int]
    reference_run_ids: list[int]


class SignificanceRow(Document):
    """A configuration against the best and against the reference; None where it is that row itself, or untested."""

    configuration: int
    label: str
    family: Family
    n: int
    """Seeds with a result."""
    with_best: QualityDifference | None
    with_reference: QualityDifference | None
    tied_with_best: bool
    """True for the best itself."""
    tied_with_reference: bool


class UntestedPair(Document):
    """Two rows that no test can tell apart or call alike, and why."""

    configuration: int
    reference: int
    reason: str


class AcrossStudies(Document):
    """What waits for more studies: found of needed comparable ones, and a sentence that says so."""

    needed: int
    found: int
    sentence: Sentence


class SignificanceView(Document):
    """GET studies/{id}/significance."""

    study: int
    rule: str
    """The one definition of "different" behind every mark and verdict."""
    alpha: float
    comparisons: int
    """How many were corrected together."""
    best: int | None
    """The configuration with the best mean quality."""
    reference: int | None
    reference_note: str | None
    rows: list[SignificanceRow]
    tied_with_best: list[int]
    """Configurations not shown to differ from the best, itself among them."""
    tied_with_reference: list[int]
    untested: list[UntestedPair]
    across_studies: AcrossStudies
