"""What each page asks when it is opened: it should cost the same however many runs there are."""

from collections.abc import Iterator

from benchmarks.serving.clients import Request, serially
from benchmarks.serving.figures import Figure
from benchmarks.serving.loads.target import LIMIT_SECONDS, Target, milliseconds
from benchmarks.serving.products.atlas import API, Atlas

OPENED = 25


def measure(target: Target) -> Iterator[Figure]:
    """Each page's requests one after the other, as often as a person opens it in a morning."""
    product = target.product
    assert isinstance(product, Atlas)
    for page, requests in product.pages().items():
        serially(product.url, product.headers, requests, at_most_seconds=LIMIT_SECONDS)
        answers = serially(product.url, product.headers, requests * OPENED, at_most_seconds=LIMIT_SECONDS)
        whole = sorted(
            sum(answers.seconds["read"][place : place + len(requests)])
            for place in range(0, answers.count - len(requests) + 1, len(requests))
        )
        yield target.figure(f"page_{page.lower()}", milliseconds(whole[len(whole) // 2]), answers)
    healthz = [Request("GET", f"{API}/healthz")] * 500
    answers = serially(product.url, {}, healthz, at_most_seconds=LIMIT_SECONDS)
    yield target.figure("healthz", milliseconds(answers.percentile(50)), answers)
