"""What the services of accounts ask before they do anything, and of what they are given to show to others."""

from app.errors import Forbidden, Invalid
from app.services.callers import Caller

NO_ACCOUNTS = (
    "Nobody has an account here: whoever reaches this machine is one user. Make the first account with "
    "`peft-atlas user add NAME --operator`."
)


def with_accounts(caller: Caller) -> None:
    """Raise Forbidden while nobody has an account, for the first one is made by a command."""
    if caller.user_id is None and caller.means != "command":
        raise Forbidden(NO_ACCOUNTS)


def oneself(caller: Caller) -> None:
    """Raise Forbidden for a program in the place of a person: a token that leaked must not make more of its kind."""
    with_accounts(caller)
    if caller.read_only or caller.means.startswith("token"):
        raise Forbidden("This is done by whoever is logged in, not by a token.")


def one_line(text: str, what: str, field: str) -> str:
    """The text without spaces around it. Raises Invalid for characters that hide something or turn the line round."""
    said = text.strip()
    if not said.isprintable():
        raise Invalid(f"{what} cannot hold control characters, line breaks or invisible marks.", field=field)
    return said
