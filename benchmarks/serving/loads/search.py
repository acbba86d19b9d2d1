"""L1, L2 and L8: the best 100 runs of a method, asked by many and by one; and what the product holds of memory."""

from collections.abc import Iterator

from benchmarks.serving.clients import serially, together
from benchmarks.serving.figures import Figure
from benchmarks.serving.loads.target import LIMIT_SECONDS, Target, milliseconds, settle_down
from benchmarks.serving.products.product import Missing

MARKS = ("memory_idle", "serial_p50", "serial_p95", "search_rate", "search_p99", "memory_after")
CLIENTS = 16
ASKED_BY_MANY = 6_000
ASKED_BY_ONE = 300
MEGABYTE = 1e6


def measure(target: Target) -> Iterator[Figure]:
    """Idle memory first, for what has served a load never gives all of it back."""
    product = target.product
    yield target.figure("memory_idle", round(product.process.memory_bytes / MEGABYTE))
    try:
        search = product.search()
    except Missing as reason:
        yield from target.missing(MARKS[1:], reason)
        return
    note = getattr(product, "search_note", "")
    serially(product.url, product.headers, [search] * 5, at_most_seconds=LIMIT_SECONDS)
    one = serially(product.url, product.headers, [search] * ASKED_BY_ONE, at_most_seconds=LIMIT_SECONDS)
    yield target.figure("serial_p50", milliseconds(one.percentile(50)), one, note)
    yield target.figure("serial_p95", milliseconds(one.percentile(95)), one, note)
    many = together(
        product.url, product.headers, [search] * ASKED_BY_MANY, clients=CLIENTS, at_most_seconds=LIMIT_SECONDS
    )
    yield target.figure("search_rate", round(many.per_second, 1), many, note)
    yield target.figure("search_p99", milliseconds(many.percentile(99)), many, note)
    settle_down()
    yield target.figure("memory_after", round(product.process.memory_bytes / MEGABYTE), note=note)
