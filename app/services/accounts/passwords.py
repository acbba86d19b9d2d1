"""Passwords: argon2id by the library's own parameters; checking one takes as long whether or not its user exists."""

from functools import cache

from pwdlib import PasswordHash

from app.errors import Invalid
from app.language import tr

SHORTEST = 12
LONGEST = 200
SHORTEST_NAME = 4
"""That a password must not hold: shorter ones are in many a word."""


@cache
def _hashing() -> PasswordHash:
    return PasswordHash.recommended()


@cache
def _hash_of_nobody() -> str:
    return _hashing().hash("a password that nobody has")


def hashed(password: str) -> str:
    """What is kept of a password."""
    return _hashing().hash(password)


def matches(password: str, kept: str | None) -> bool:
    """Whether it is the password. Takes as long where there is no user, or none with a password."""
    right = _hashing().verify(password[:LONGEST], kept or _hash_of_nobody())
    return right and kept is not None


def check_password(password: str, user_name: str) -> None:
    """Raise Invalid for a password that is too easy to guess or too long to hash."""
    if len(password) < SHORTEST:
        raise Invalid(
            tr("A password has at least {least} characters. A few words in a row do well.", least=SHORTEST),
            field="password",
        )
    if len(password) > LONGEST:
        raise Invalid(tr("A password has at most {most} characters.", most=LONGEST), field="password")
    named = len(user_name) >= SHORTEST_NAME and user_name.casefold() in password.casefold()
    if len(set(password)) < 5 or named:
        raise Invalid(
            tr("This password is too easy to guess. Take a few words that have nothing to do with you."),
            field="password",
        )
    if "\0" in password:
        raise Invalid(tr("A password cannot hold a NUL character."), field="password")
