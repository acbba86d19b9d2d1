"""How a bottleneck adapter works: down, a non-linearity, up again, and what came in added."""

from app.language import filled, tr
from app.schemas import Number
from app.ui.charts.drawing import Drawing, arrow, label, node, rect

WIDE = 150.0
"""Of the residual stream, in units of the drawing."""


def adapter_diagram(width: Number, bottleneck: Number) -> Drawing:
    """One layer from below: attention, feed-forward, and the adapter behind them, its neck to scale."""
    neck = max(3.0, WIDE * min(1.0, bottleneck.value / width.value))
    left, middle = 60.0, 60 + WIDE / 2
    down = f"{left},168 {left + WIDE},168 {middle + neck / 2},138 {middle - neck / 2},138"
    up = f"{middle - neck / 2},112 {middle + neck / 2},112 {left + WIDE},82 {left},82"
    parts = [
        rect(left, 244, WIDE, 26, "drawn-frozen"),
        label(middle, 261, tr("attention, frozen")),
        arrow((middle, 244), (middle, 232)),
        rect(left, 204, WIDE, 26, "drawn-frozen"),
        label(middle, 221, tr("feed-forward, frozen")),
        arrow((middle, 204), (middle, 170)),
        node("polygon", points=down, class_name="drawn-trained"),
        node("rect", x=middle - neck / 2, y=114, width=neck, height=22, class_name="drawn-neck"),
        node("polygon", points=up, class_name="drawn-trained"),
        label(left + WIDE + 10, 157, tr("down"), anchor="start", quiet=True),
        label(left + WIDE + 10, 129, filled("neck b = {bottleneck}", bottleneck=bottleneck), anchor="start"),
        label(left + WIDE + 10, 101, tr("up"), anchor="start", quiet=True),
        arrow((middle, 82), (middle, 58)),
        node("circle", cx=middle, cy=46, r=11, class_name="drawn-sum"),
        label(middle, 50, "+"),
        arrow((middle, 186), (26, 186), (26, 46), (middle - 12, 46)),
        arrow((middle, 34), (middle, 12)),
        label(middle + 14, 24, filled("d = {width}", width=width), anchor="start", quiet=True),
    ]
    sentence = tr(
        "Behind the frozen attention and feed-forward layers the adapter narrows the stream to its neck, applies a"
        " non-linearity, widens it again and adds what came in. The neck is drawn to scale; its sizes are listed beside"
        " the drawing."
    )
    return Drawing(364, 276, parts, sentence)
