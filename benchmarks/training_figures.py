"""The figures of docs/benchmarks, as inline SVG that follows the reader's theme."""

from collections.abc import Callable, Mapping, Sequence

from app.colours import DARK, FONT, LIGHT, Palette
from app.services.exports.report.markup import Markup, element
from app.services.exports.report.svg import line, round_ticks, text

TOP, BOTTOM, LEFT, RIGHT = 34.0, 44.0, 48.0, 12.0


def bars(groups: Mapping[str, Sequence[float]], names: Sequence[str], what: str) -> str:
    """One bar for each group in every name's place."""
    width, height = 760.0, 300.0
    most = max(max(values) for values in groups.values())
    place, floor = (width - LEFT - RIGHT) / len(names), height - BOTTOM

    def y(value: float) -> float:
        return floor - (floor - TOP) * value / most

    drawn = _scale(most, y, width)
    thick = 0.8 * place / len(groups)
    for number, (title, values) in enumerate(groups.items()):
        drawn.append(_key(LEFT + 120 * number, number, title))
        for column, value in enumerate(values):
            x = LEFT + place * (column + 0.1) + thick * number
            shape = element("rect", x=x, y=y(value), width=thick - 2, height=floor - y(value), class_=f"c{number}")
            drawn += [shape, text(x + thick / 2, y(value) - 4, f"{value:.0f}", size=10, anchor="middle", class_="soft")]
    for column, name in enumerate(names):
        middle = LEFT + place * (column + 0.5)
        drawn.append(text(middle, floor + 18, name.replace("_", " "), anchor="middle", class_="ink"))
    return _figure(drawn, width, height, what)


def lines(panels: Mapping[str, Sequence[tuple[float, float]]], what: str) -> str:
    """One panel for each thing that grows, all of one scale upwards."""
    width, height = 760.0, 260.0
    known = {title: points for title, points in panels.items() if points}
    most = max(value for points in known.values() for _, value in points)
    floor, each = height - BOTTOM, (width - LEFT - RIGHT) / len(known)

    def y(value: float) -> float:
        return floor - (floor - TOP) * value / most

    drawn = _scale(most, y, width)
    for number, (title, points) in enumerate(known.items()):
        left, largest = LEFT + each * number, max(place for place, _ in points)
        xs = [left + 12 + (each - 36) * place / largest for place, _ in points]
        way = "L".join(f"{x:.1f},{y(value):.1f}" for x, (_, value) in zip(xs, points, strict=True))
        drawn.append(element("path", d=f"M{way}", class_="way"))
        for x, (place, value) in zip(xs, points, strict=True):
            drawn.append(element("circle", cx=x, cy=y(value), r=3.5, class_="c2"))
            drawn.append(text(x, floor + 16, f"{place:g}", size=11, anchor="middle", class_="soft"))
        drawn.append(text(left + each / 2, floor + 34, title, anchor="middle", class_="ink"))
    return _figure(drawn, width, height, what)


def _scale(most: float, y: Callable[[float], float], width: float) -> list[Markup]:
    drawn = []
    for tick in round_ticks(0.0, most):
        drawn += [
            line(LEFT, y(tick), width - RIGHT, y(tick), "grid"),
            text(LEFT - 8, y(tick) + 4, f"{tick:g}", size=11, anchor="end", class_="soft"),
        ]
    return drawn


def _key(x: float, number: int, title: str) -> Markup:
    square = element("rect", x=x, y=8, width=10, height=10, class_=f"c{number}")
    return element("g", square, text(x + 15, 17, title, size=11, class_="ink"))


def _figure(drawn: Sequence[Markup], width: float, height: float, what: str) -> str:
    """With its own colours, for a page shows it as an image."""

    def colours(palette: Palette) -> str:
        fills = "".join(f".c{number}{{fill:{hue}}}" for number, hue in enumerate(_hues(palette)))
        return (
            f"svg{{background:{palette.surface}}}.grid{{stroke:{palette.line}}}.soft{{fill:{palette.ink_2}}}"
            f".ink{{fill:{palette.ink}}}.way{{fill:none;stroke-width:2;stroke:{_hues(palette)[2]}}}{fills}"
        )

    style = f"text{{font-family:{FONT}}}{colours(LIGHT)}@media(prefers-color-scheme:dark){{{colours(DARK)}}}"
    return str(
        element(
            "svg",
            element("title", what),
            element("style", style),
            *drawn,
            xmlns="http://www.w3.org/2000/svg",
            viewBox=f"0 0 {width:g} {height:g}",
            width=width,
            height=height,
            role="img",
        )
    )


def _hues(palette: Palette) -> list[str]:
    return [palette.tie, palette.families["adapter"], palette.families["lora"]]
