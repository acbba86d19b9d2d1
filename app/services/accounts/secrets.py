"""Random secrets that are shown once, and what is kept of them."""

import hashlib
import secrets
from datetime import UTC, datetime

SECRET_BYTES = 32


def new_secret(prefix: str = "") -> str:
    """256 random bits as text that fits a URL, a header and a cookie."""
    return prefix + secrets.token_urlsafe(SECRET_BYTES)


def sha256_of(secret: str) -> str:
    """What is kept of a secret: it has too many bits to be guessed from this."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def now() -> datetime:
    """The web process's time, which alone makes and judges what expires."""
    return datetime.now(UTC)
