"""How a prefix works: learnt keys and values stand in front of the text's own, in every layer."""

from app.language import filled, tr
from app.schemas import Number
from app.ui.charts.drawing import Drawing, Node, label, node, rect

MOST_CELLS = 14
"""So many virtual tokens are drawn; a longer prefix has a gap in the middle."""
TEXT_CELLS = 6
CELL, GAP = 12.0, 4.0


def prefix_diagram(length: Number, layers: Number) -> Drawing:
    """The keys and values of one layer, and one query of the text that meets them all."""
    shown = min(int(length.value), MOST_CELLS)
    text_start = 24 + shown * (CELL + GAP) + 12
    prefix = [24 + place * (CELL + GAP) for place in range(shown)]
    text = [text_start + place * (CELL + GAP) for place in range(TEXT_CELLS)]
    query = text[3]
    parts = [
        *[_ray(query + CELL / 2, place + CELL / 2) for place in [*prefix, *text]],
        *[rect(place, 60, CELL, 26, "drawn-trained") for place in prefix],
        *[rect(place, 60, CELL, 26, "drawn-frozen") for place in text],
        *[rect(place, 158, CELL, 20, "drawn-frozen" if place == query else "drawn-faint") for place in text],
        *_gap(length, prefix),
        label(24, 46, filled("learnt: n = {length}", length=length), anchor="start"),
        label(text_start, 46, tr("of the text"), anchor="start", quiet=True),
        label(24, 26, tr("keys and values"), anchor="start", quiet=True),
        label(text_start - 8, 173, tr("queries"), anchor="end", quiet=True),
        label(24, 204, filled("the same in each of {layers} layers", layers=layers), anchor="start", quiet=True),
    ]
    sentence = tr(
        "In every layer learnt keys and values stand in front of those of the text. Every query of the text meets them"
        " too; no layer works on them. How many there are is listed beside the drawing."
    )
    return Drawing(364, 214, parts, sentence)


def _ray(start: float, end: float) -> Node:
    return node("line", x1=start, y1=158, x2=end, y2=88, class_name="drawn-ray")


def _gap(length: Number, cells: list[float]) -> list[Node]:
    """A sign that more virtual tokens stand there than are drawn."""
    if length.value <= MOST_CELLS:
        return []
    middle = cells[len(cells) // 2] - GAP / 2
    return [rect(middle - 9, 58, 18, 30, "drawn-blank"), label(middle, 77, "…")]
