"""Methods over several studies: GET comparisons."""

from typing import Literal

from app.schemas.document import Document, SourceKind
from app.schemas.numbers import Number
from peft_core.method import Family
from peft_core.metric import Quantity


class KindOfStudies(Document):
    """A kind of task, and how many studies of it have measured two methods or more."""

    kind: str
    title: str
    studies: int


class ComparedStudy(Document):
    """A study that can be compared with others of its kind. `floor` and `full` are the ends of its scale: what untuned
    and full fine-tuning score."""

    id: int
    name: str
    task: str
    base_model: str
    headline: str
    """The task's own name of its score."""
    better: Literal["higher", "lower"]
    quantity: Quantity
    source: SourceKind
    single_seed: bool
    approved: bool
    """Somebody signed its results off, and they are still the same."""
    label: str | None
    """What its import is called, e.g. "imported, single seed"; None where it was launched here."""
    floor: Number
    assumed_floor: bool
    """The floor is the task's chance level, for no untuned row was run."""
    full: Number


class LeftOutStudy(Document):
    """A study of the kind that cannot be compared, and why."""

    id: int
    name: str
    reason: str


class ComparedMethod(Document):
    """A method, and in how many of the chosen studies it has a result."""

    method: str
    title: str
    family: Family
    studies: int


class GainCell(Document):
    """A method's quality in a study: its share of full fine-tuning's gain over the floor, and the raw score.

    score: the fixed-anchor score, 0..1. configuration: the one that stands for the method, of `variants`. missing: why
    there is no value.
    """

    study: int
    method: str
    configuration: int | None = None
    label: str | None = None
    variants: int = 0
    chosen_on_validation: bool = True
    """False: no validation score says which of several variants to take, and the first one stands."""
    share: Number | None = None
    interval: tuple[Number, Number] | None = None
    covers: str | None = None
    raw: Number | None = None
    score: float | None = None
    n: int = 0
    missing: str | None = None


class StudyDifference(Document):
    """The quality of `a` minus that of `b` in one study, in shares of full fine-tuning's gain. interval: 95 %, of this
    pair alone. p_a: the share of draws in which a is better; None where nothing says how noisy it is."""

    study: int
    value: Number
    interval: tuple[Number, Number] | None
    test: str | None
    covers: str | None
    p_a: Number | None


class SignedRankView(Document):
    """The Bayesian signed-rank test: P(a practically better), P(practically equal), P(b practically better). `draws`:
    some of the posterior's, as (a, equal, b)."""

    a: Number
    equal: Number
    b: Number
    draws: list[tuple[float, float, float]]


class PairAcross(Document):
    """Two methods over the chosen studies. signed_rank: None below `needed` studies that have both."""

    a: str
    b: str
    rope: Number
    """Differences of at most so much of full fine-tuning's gain are practically none."""
    differences: list[StudyDifference]
    needed: Number
    found: Number
    still_missing: Number
    signed_rank: SignedRankView | None


class MethodPlace(Document):
    """A method over the studies that have every chosen method. p_best and the 90 % interval of its rank come from what
    seeds and test items of these studies leave open. mean_rank: the mean of its ranks, equal ones sharing theirs."""

    method: str
    share: Number
    p_best: Number
    rank_lo: Number
    rank_hi: Number
    mean_rank: Number


class CriticalDifference(Document):
    """Friedman's test and Nemenyi's critical difference. groups: methods that are not shown to differ."""

    statistic: Number
    p_value: Number
    difference: Number
    rejected: bool
    groups: list[list[str]]


class AllAcross(Document):
    """The chosen methods over the studies that have all of them. friedman: None below `needed` such studies or below
    three methods."""

    studies: list[int]
    incomplete: list[int]
    """Chosen studies that lack a chosen method: they are in the matrix and not in here."""
    places: list[MethodPlace]
    needed: Number
    found: Number
    still_missing: Number
    enough_methods: bool
    friedman: CriticalDifference | None


class StudiesCompared(Document):
    """GET comparisons: what several studies say together of some methods. Empty where no study can be compared."""

    kind: str | None
    kinds: list[KindOfStudies]
    studies: list[ComparedStudy]
    """Every study of the kind that can be compared, the newest first."""
    chosen: list[int]
    left_out: list[LeftOutStudy]
    methods: list[ComparedMethod]
    """Every method that some chosen study has a result of; those that most have first."""
    chosen_methods: list[str]
    cells: list[GainCell]
    pair: PairAcross | None
    all: AllAcross | None
    draws: int
    seed: int
