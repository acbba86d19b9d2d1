"""L3: a series of 5,000 points, whole and thinned."""

from collections.abc import Iterator

from benchmarks.serving.clients import serially
from benchmarks.serving.figures import Figure
from benchmarks.serving.loads.target import LIMIT_SECONDS, Target, milliseconds
from benchmarks.serving.products.product import Missing

POINTS = {"series_full": 5_000, "series_thin": 320}
ASKED = 200


def measure(target: Target) -> Iterator[Figure]:
    """One client, one request after the other."""
    product = target.product
    for mark, points in POINTS.items():
        try:
            request = product.series(points)
        except Missing as reason:
            yield from target.missing((mark,), reason)
            continue
        answers = serially(product.url, product.headers, [request] * ASKED, at_most_seconds=LIMIT_SECONDS)
        yield target.figure(mark, milliseconds(answers.percentile(95)), answers)
