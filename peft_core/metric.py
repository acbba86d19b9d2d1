"""The contract of a metric: one file in `peft_core/metrics`, found by its file name, which is its key."""

from typing import TYPE_CHECKING, ClassVar, Literal

from peft_core.catalogue import discover, pick
from peft_core.spec import Frozen, Measurement, Purpose, RunSpec

if TYPE_CHECKING:
    from peft_core.run_state import RunInProgress


class RatioAnchors(Frozen):
    """u = clip(ln(r / lo) / ln(hi / lo), 0, 1) with r = reference / value (costs) or value / reference."""

    lo: float
    hi: float


class LinearAnchors(Frozen):
    """u = clip((value - worst) / (best - worst), 0, 1)."""

    worst: float
    best: float


Quantity = Literal["fraction", "count", "bytes", "seconds", "per_second", "nats", "joules", "coefficient"]
"""What the raw value is, always in SI units; how it prints is the pages' business."""


class Metric:
    """A recorder made fresh for every run, called at the hooks below; `measure` gives the value at the end.

    The class attributes are the metric's card: they reach the API, the heatmap and the documentation.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    quantity: ClassVar[Quantity]
    unit: ClassVar[str]
    better: ClassVar[Literal["higher", "lower"]]
    meaning: ClassVar[str]
    how: ClassVar[str]
    purposes: ClassVar[frozenset[Purpose]]
    """The runs that measure it; none for a figure that only a study's runs together give."""
    kinds: ClassVar[frozenset[str] | None] = None
    """The kinds of task it has a meaning for; None: all."""
    position: ClassVar[int]
    """Its place among the heatmap's columns."""
    anchors: ClassVar[RatioAnchors | LinearAnchors | None] = None
    """Fixed anchors of the normalised score; None where there is no score, or the reference rows set it (quality)."""
    exact: ClassVar[bool] = False
    """Counted rather than sampled: carries no interval."""
    in_heatmap: ClassVar[bool] = True
    """False for a figure that constraints and tables use and that has no column of its own."""

    def before_load(self, spec: RunSpec) -> None:
        """Just before the base model is loaded."""

    def after_load(self, run: "RunInProgress") -> None:
        """The base model is loaded and the method attached; no recorder's `before_training` was called yet."""

    def before_training(self, run: "RunInProgress") -> None:
        """The method is attached, nothing has been trained."""

    def after_training(self, run: "RunInProgress") -> None:
        """Training has ended, the optimizer still exists, nothing has been evaluated."""

    def measure(self, run: "RunInProgress") -> Measurement:
        """The value, after the adapter was saved and (report runs) the test split evaluated."""
        raise NotImplementedError

    def missing(self, why: str) -> Measurement:
        """No value, and why in words."""
        return Measurement(metric=self.key, value=None, detail={"missing": why})


def metrics(kind: str | None = None) -> dict[str, type[Metric]]:
    """Every metric by key, in the heatmap's order; those that have a meaning for one kind of task where it is named."""
    import peft_core.metrics

    found = discover(peft_core.metrics, Metric)
    meant = {key: entry for key, entry in found.items() if kind is None or entry.kinds is None or kind in entry.kinds}
    return dict(sorted(meant.items(), key=lambda entry: (entry[1].position, entry[0])))


def metric(key: str) -> type[Metric]:
    """The metric called `key`, or UnknownName."""
    return pick(metrics(), key, "metric")
