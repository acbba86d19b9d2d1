"""The model hub, where studies may name what it has."""

from collections.abc import Iterator

import httpx

from app.cli.doctor.finding import Finding, ok, warning
from app.settings import Settings

ANSWER_SECONDS = 5


def check(settings: Settings) -> Iterator[Finding]:
    """Off, or whether it answers."""
    from huggingface_hub import constants

    if not settings.hub_enabled:
        yield ok("hub", "off: nothing is downloaded (PEFT_ATLAS_HUB_ENABLED)")
        return
    if settings.hub.silent:
        advice = "Unset HF_HUB_OFFLINE, or unset PEFT_ATLAS_HUB_ENABLED."
        yield warning("hub", "PEFT_ATLAS_HUB_ENABLED is set, but HF_HUB_OFFLINE=1 forbids it", advice)
        return
    endpoint = settings.hub_endpoint or constants.ENDPOINT
    try:
        answer = httpx.head(endpoint, timeout=ANSWER_SECONDS, follow_redirects=True)
    except httpx.HTTPError as error:
        advice = "Is there a network, a proxy, a firewall? What is in the cache can be used meanwhile."
        yield warning("hub", f"{endpoint} does not answer: {error or type(error).__name__}", advice)
        return
    yield ok("hub", f"{endpoint} answers ({answer.status_code}); downloads go to {settings.hub.cache_folder}")
