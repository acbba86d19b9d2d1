"""The first-visit key: without accounts, it tells the one who started the product from others on the same machine."""

import hmac
import os
from pathlib import Path

from app.services.accounts.secrets import new_secret, sha256_of

FILE = "first-visit-key"


def first_visit_key(home: Path) -> str:
    """The home's key, made at the first time in a file that nobody else can read."""
    file = home / FILE
    home.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        return _read(file)
    key = new_secret()
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        opened.write(key)
    return key


def _read(file: Path) -> str:
    if file.stat().st_mode & 0o077:
        file.chmod(0o600)
    return file.read_text(encoding="ascii").strip()


def way_in_file(home: Path, url: str) -> Path:
    """A page that leads on to `url`, for nobody else to read: an address given to a browser's command line would show
    the key in the machine's list of processes."""
    file = home / "open.html"
    file.unlink(missing_ok=True)
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(f'<!doctype html><meta http-equiv="refresh" content="0; url={url}"><title>PEFT Atlas</title>')
    return file


def cookie_name(key: str) -> str:
    """A browser sends its cookies to every port of a host: each home's has a name of its own."""
    return f"peft_atlas_key_{sha256_of(key)[:8]}"


def cookie_value(key: str) -> str:
    """What the browser keeps in place of the key."""
    return sha256_of(f"cookie {key}")


def is_key(key: str, given: str) -> bool:
    """Whether this is the key, found out in a time that tells nothing."""
    return hmac.compare_digest(key.encode(), given.encode("utf-8", "surrogatepass"))


def is_cookie(key: str, given: str) -> bool:
    """Whether this is the cookie that the key set."""
    return hmac.compare_digest(cookie_value(key).encode(), given.encode("utf-8", "surrogatepass"))
