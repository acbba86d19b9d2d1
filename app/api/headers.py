"""What every answer tells a browser: which scripts may run, what may be loaded, and who may show it in a frame."""

import base64
import hashlib
import re
from collections.abc import Iterable

from starlette.datastructures import MutableHeaders

INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
RUNS_SCRIPTS = ("text/html", "text/javascript", "application/javascript")
"""A worker of a page obeys the policy that its own file came with."""
NOTHING = "default-src 'none'; frame-ancestors 'none'"
"""For what is no page: opened as one, it does nothing."""
OTHERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


class ContentPolicy:
    """The Content-Security-Policy of pages: of the scripts inside of them those run that were allowed by their hash.

    Styles stand in the component libraries' own scripts and in every figure, and are allowed.
    """

    def __init__(self) -> None:
        self._scripts = "'self'"

    def allow(self, scripts: Iterable[str]) -> None:
        """Let these scripts run wherever they stand in a page: they were written without anybody's data."""
        self._scripts = " ".join((self._scripts, *dict.fromkeys(map(_hash_of, scripts))))

    def for_host(self, host: str) -> str:
        """Said for a checked Host header: not every browser takes 'self' for the websockets of the same host."""
        return (
            f"default-src 'self'; script-src {self._scripts}; style-src 'self' 'unsafe-inline'; "
            f"img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' ws://{host} wss://{host}; "
            "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
        )


def inline_scripts(html: str) -> list[str]:
    """The scripts inside of a page that was written without anybody's data."""
    return INLINE_SCRIPT.findall(html)


def _hash_of(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def add_security_headers(headers: MutableHeaders, policy: ContentPolicy, host: str) -> None:
    """Add what is not said already."""
    kind = headers.get("content-type", "").partition(";")[0]
    headers.setdefault("content-security-policy", policy.for_host(host) if kind in RUNS_SCRIPTS else NOTHING)
    for name, value in OTHERS.items():
        headers.setdefault(name, value)
