"""Names of points: none covers another or a marker, none leaves the figure, and the first choose first."""

from hypothesis import given
from hypothesis import strategies as some

from app.ui.charts.names import Named, sides

WIDTH, HEIGHT = 240.0, 340.0
PLACES = some.tuples(some.floats(0, WIDTH), some.floats(0, HEIGHT), some.integers(0, 30))


@given(some.lists(PLACES, max_size=20))
def test_no_name_covers_another_or_a_marker_or_leaves_the_figure(places: list[tuple[float, float, int]]) -> None:
    points = [Named(x, y, 10.0, characters) for x, y, characters in places]
    found = list(sides(points, width=WIDTH, height=HEIGHT))
    assert len(found) == len(points)
    boxes = [point.name(side) for point, side in zip(points, found, strict=True) if side is not None]
    assert all(box.lies_in(WIDTH, HEIGHT) for box in boxes)
    for place, box in enumerate(boxes):
        assert not any(box.meets(other) for other in boxes[:place])
        assert not any(box.meets(point.marker()) for point in points)


def test_a_lone_name_stands_above_and_turns_inwards_at_an_edge() -> None:
    def side(x: float, y: float) -> str | None:
        return next(sides([Named(x, y, 10.0, 12)], width=WIDTH, height=HEIGHT))

    assert side(120, 170) == "top center"
    assert side(120, HEIGHT) == "bottom center"
    assert side(0, 170) == "top right"
    assert side(WIDTH, 170) == "top left"


def test_what_has_no_room_or_no_name_has_no_side() -> None:
    crowd = [Named(120 + k, 170, 10.0, 12) for k in range(12)]
    found = list(sides(crowd, width=WIDTH, height=HEIGHT))
    assert found[0] == "top center"
    assert None in found
    assert list(sides([Named(120, 170, 10.0, 0)], width=WIDTH, height=HEIGHT)) == [None]
