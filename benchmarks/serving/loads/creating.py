"""L4: runs created with all their values."""

from collections.abc import Iterator

from benchmarks.serving.clients import together
from benchmarks.serving.figures import Figure
from benchmarks.serving.loads.target import LIMIT_SECONDS, Target
from benchmarks.serving.products.product import Missing

CLIENTS = 8
RUNS = 4_000
A_BATCH = 100
BATCHES = 60


def measure(target: Target) -> Iterator[Figure]:
    """Eight clients at once, each with runs of its own."""
    product = target.product
    try:
        single = product.creations(RUNS)
    except Missing as reason:
        yield from target.missing(("creations", "creations_batch"), reason)
        return
    answers = together(product.url, product.headers, single, clients=CLIENTS, at_most_seconds=LIMIT_SECONDS)
    yield target.figure("creations", round(answers.per_second, 1), answers)
    try:
        batches = [product.creation(A_BATCH) for _ in range(BATCHES)]
    except Missing as reason:
        yield from target.missing(("creations_batch",), reason)
        return
    answers = together(product.url, product.headers, batches, clients=CLIENTS, at_most_seconds=LIMIT_SECONDS)
    yield target.figure("creations_batch", round(answers.per_second * A_BATCH, 1), answers)
