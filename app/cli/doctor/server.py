"""The server that commands ask, where PEFT_ATLAS_URL names one."""

import asyncio
import ipaddress
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx

from app.cli.doctor.finding import Finding, ok, problem, warning
from app.client import ApiProblem, AtlasClient
from app.settings import Settings


def check(settings: Settings) -> Iterator[Finding]:
    """Whether it answers, lets the token in, and is told it where nobody can listen."""
    if settings.url is None:
        return
    yield asyncio.run(_asked(settings.url, settings.api_token))
    if settings.api_token is not None and settings.url.startswith("http://") and not _is_loopback(settings.url):
        yield warning("server", f"the token goes to {settings.url} unencrypted", "Use an https:// address.")


async def _asked(url: str, token: str | None) -> Finding:
    async with AtlasClient.at(url, token) as client:
        try:
            await client.check_ready()
            await client.devices()
        except httpx.HTTPError as error:
            advice = "Start it, or correct PEFT_ATLAS_URL; unset it to work on this home's own database."
            return problem("server", f"{url} does not answer: {error or type(error).__name__}", advice)
        except ApiProblem as refusal:
            return problem("server", f"{url} refuses: {refusal.detail}", _advice(refusal, token))
    return ok("server", f"{url} answers and lets commands in")


def _advice(refusal: ApiProblem, token: str | None) -> str:
    if refusal.status not in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return "See the server's own `peft-atlas doctor`."
    if token is None:
        return "Make a token on its account page and set PEFT_ATLAS_TOKEN or PEFT_ATLAS_TOKEN_FILE."
    return "The token is wrong, revoked or expired: make another and set PEFT_ATLAS_TOKEN or PEFT_ATLAS_TOKEN_FILE."


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
