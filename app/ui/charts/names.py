"""Where the names of points stand, so that none covers another or a marker."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

CHARACTER_PX, LINE_PX = 6.6, 14.0
"""Of a name at 11 px, its bold letters included."""
GAP_PX = 4.0
SIDES = (
    *("top center", "bottom center", "top right", "top left", "bottom right", "bottom left"),
    *("middle right", "middle left"),
)
"""In the order in which they are tried."""


@dataclass(frozen=True)
class Box:
    """In px from the lower left corner of the figure's plane."""

    left: float
    bottom: float
    right: float
    top: float

    def meets(self, other: "Box") -> bool:
        return (
            self.left < other.right and other.left < self.right and self.bottom < other.top and other.bottom < self.top
        )

    def lies_in(self, width: float, height: float) -> bool:
        return self.left >= 0 and self.right <= width and self.bottom >= 0 and self.top <= height


@dataclass(frozen=True)
class Named:
    """A point in px with its marker's size, and the characters of its name; 0: it has none, and is only not covered."""

    x: float
    y: float
    size: float
    characters: int

    def marker(self) -> Box:
        half = self.size / 2
        return Box(self.x - half, self.y - half, self.x + half, self.y + half)

    def name(self, side: str) -> Box:
        vertical, horizontal = side.split()
        width, reach = CHARACTER_PX * self.characters, self.size / 2 + GAP_PX
        left = {"left": self.x - width, "center": self.x - width / 2, "right": self.x}[horizontal]
        bottom = {"top": self.y + reach, "middle": self.y - LINE_PX / 2, "bottom": self.y - reach - LINE_PX}[vertical]
        shift = (reach if horizontal == "right" else -reach) if vertical == "middle" else 0.0
        return Box(left + shift, bottom, left + shift + width, bottom + LINE_PX)


def sides(points: Sequence[Named], *, width: float, height: float) -> Iterator[str | None]:
    """The side of each point's name, the first points choosing first; None where no side is free, or nothing to say."""
    taken = [point.marker() for point in points]
    for point in points:
        boxes = {side: point.name(side) for side in SIDES if point.characters}
        free = (side for side, box in boxes.items() if box.lies_in(width, height) and not any(map(box.meets, taken)))
        side = next(free, None)
        taken += [boxes[side]] if side is not None else []
        yield side
