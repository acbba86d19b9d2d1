"""Where the server may listen: on loopback always, elsewhere only once people have accounts."""

import ipaddress

from sqlalchemy import Engine

from app.errors import Forbidden
from app.services.accounts.users import has_operator


def refuse_open_binding(engine: Engine, host: str) -> None:
    """Raise Forbidden for an address that other machines reach while nobody has to log in."""
    if is_loopback(host) or has_operator(engine):
        return
    raise Forbidden(
        f"{host} is not a loopback address, and nobody has an account yet: whoever reaches it could launch jobs. "
        "Make the first one with `peft-atlas user add NAME --operator`, then start again."
    )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
