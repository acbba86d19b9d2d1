"""Which metrics a person trades against each other, and their place in the page's address."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from app.language import mark
from app.schemas import Axis, MetricCard
from app.ui.cells import QUALITY, Matrix

FIRST_CHOICE = ("trainable_parameters", QUALITY)
"""x and y of a study that has both."""
AXIS_TITLES: dict[Axis, str] = {"x": mark("Across"), "y": mark("Up"), "z": mark("Marker size")}
"""Said with `tr`."""
LEAST_METRICS = 2


def measured(matrix: Matrix) -> list[MetricCard]:
    """The metrics that can be chosen: those that some method has a value of."""
    return [card for card in matrix.comparison.metrics if matrix.measured(card.key)]


def full_title(matrix: Matrix, card: MetricCard) -> str:
    """A metric by its whole name, quality by the task's own name of its score."""
    return matrix.title(card) if card.key == QUALITY else card.title


@dataclass(frozen=True)
class TradeOff:
    """x, y, z: metrics. floor: the least share of full fine-tuning's gain, None: any."""

    x: str
    y: str
    z: str | None = None
    floor: float | None = None

    @classmethod
    def default(cls, matrix: Matrix) -> Self:
        """Quality against trainable parameters; other metrics where these are not measured and two others are."""
        listed = [card.key for card in matrix.comparison.metrics]
        known = [card.key for card in measured(matrix)]
        wanted = set(FIRST_CHOICE)
        if wanted <= set(known) or (wanted <= set(listed) and len(known) < LEAST_METRICS):
            return cls(*FIRST_CHOICE)
        x, y = [*dict.fromkeys([*known, *listed]), *FIRST_CHOICE][:2]
        return cls(x, y)

    @classmethod
    def from_query(cls, query: Mapping[str, Any], matrix: Matrix) -> Self:
        """The trade-off of an address; what cannot be read is left at its default, for anyone types an address."""
        own = cls.default(matrix)
        known = {card.key for card in matrix.comparison.metrics}
        x, y, z = (name if (name := query.get(axis)) in known else None for axis in AXIS_TITLES)
        found = replace(own, x=x or own.x, y=y or own.y)
        if found.x == found.y:
            found = own
        return replace(found, z=z if z not in (found.x, found.y) else None, floor=_share(query.get("floor")))

    def query(self, matrix: Matrix) -> dict[str, str | None]:
        """Its part of the address; None for what the address need not say."""
        own = self.default(matrix)
        metrics = {"x": self.x, "y": self.y} if (self.x, self.y) != (own.x, own.y) else {"x": None, "y": None}
        return {**metrics, "z": self.z, "floor": None if self.floor is None else f"{self.floor:.6g}"}

    def moved(self, axis: Axis, metric: str | None) -> Self:
        """With another metric on one axis; an axis that had it takes what was there, so that none is shown twice."""
        before: dict[Axis, str | None] = {"x": self.x, "y": self.y, "z": self.z}
        after = {other: before[axis] if name == metric else name for other, name in before.items()} | {axis: metric}
        x, y = after["x"], after["y"]
        return self if x is None or y is None else replace(self, x=x, y=y, z=after["z"])


def _share(text: Any) -> float | None:
    try:
        share = float(text)
    except (TypeError, ValueError):
        return None
    return share if 0 <= share <= 1 else None
