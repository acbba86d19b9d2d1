"""L5: points of curves, as many as a request takes and one by one."""

from collections.abc import Iterator

from benchmarks.serving.clients import together
from benchmarks.serving.figures import Figure
from benchmarks.serving.loads.target import LIMIT_SECONDS, Target
from benchmarks.serving.products.product import Missing

CLIENTS_BATCH = 4
CLIENTS_SINGLE = 8
BATCHES = 160
SINGLE = 6_000


def measure(target: Target) -> Iterator[Figure]:
    """Four clients with whole batches, eight with single points."""
    product = target.product
    try:
        batches, size = product.point_batches(BATCHES)
    except Missing as reason:
        yield from target.missing(("points_batch", "points_single"), reason)
        return
    answers = together(product.url, product.headers, batches, clients=CLIENTS_BATCH, at_most_seconds=LIMIT_SECONDS)
    note = f"{product.name}: {size:,} points in a request, {CLIENTS_BATCH} clients"
    yield target.figure("points_batch", round(answers.per_second * size), answers, note)
    single = product.single_points(SINGLE)
    answers = together(product.url, product.headers, single, clients=CLIENTS_SINGLE, at_most_seconds=LIMIT_SECONDS)
    yield target.figure("points_single", round(answers.per_second, 1), answers)
