"""The language a reader is spoken to in: English as written in the code, Chinese from `strings/zh.po`.

`tr("{count} runs", count=3)` says a sentence in the language of the request at hand; an ASGI middleware
(app/api/languages.py) sets it from the reader's choice, and whatever serves the request inherits it. `mark` names a
sentence that is said later, such as a module's constant. Sentences are collected by `make strings`.
"""

import string
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

LANGUAGES = {"en": "English", "zh": "中文"}
DEFAULT = "en"
BETWEEN_SENTENCES = {"en": " ", "zh": ""}
COOKIE = "peft_atlas_language"
"""Where a browser remembers the choice."""
CATALOGUES = Path(__file__).with_name("strings")

_spoken: ContextVar[str] = ContextVar("language", default=DEFAULT)


def language() -> str:
    """The language of the request at hand, a key of LANGUAGES."""
    return _spoken.get()


@contextmanager
def speaking(name: str) -> Iterator[None]:
    """Say what is said inside the block in this language."""
    token = _spoken.set(name)
    try:
        yield
    finally:
        _spoken.reset(token)


def negotiated(chosen: str | None, accepted: str) -> str:
    """The language for a reader who has chosen one, else the first known one of an Accept-Language header."""
    if chosen in LANGUAGES:
        return chosen
    wanted = (part.split(";")[0].strip().lower().split("-")[0] for part in accepted.split(","))
    return next((name for name in wanted if name in LANGUAGES), DEFAULT)


def mark(message: str) -> str:
    """The message itself, for the catalogue to know; `tr` says it later."""
    return message


def tr(message: str, **parts: object) -> str:
    """The message in the reader's language, its {places} filled."""
    said = _said(message)
    return said.format(**parts) if parts else said


def trn(one: str, many: str, count: float, **parts: object) -> str:
    """`one` for a count of 1, else `many`, in the reader's language; {count} is among its places."""
    return _counted(one, many, count).format(**({"count": count} | parts))


def filled(message: str, **parts: Any) -> list[Any]:
    """The pieces of a message in the reader's language with anything in its {places}: components, parts of a sentence.

    Returns words and what was given, in the order of that language.
    """
    return _pieces(_said(message), parts)


def filledn(one: str, many: str, count: float, /, **parts: Any) -> list[Any]:
    """The pieces of `one` for a count of 1, else of `many`; a place for the count itself is given like any other."""
    return _pieces(_counted(one, many, count), parts)


def spaced(sentences: Iterable[str]) -> str:
    """Whole sentences one after another, with what the language puts between them."""
    return BETWEEN_SENTENCES[language()].join(sentences)


def _pieces(said: str, parts: Mapping[str, Any]) -> list[Any]:
    pieces: list[Any] = []
    for words, place, _, _ in string.Formatter().parse(said):
        pieces += [words] if words else []
        pieces += [parts[place]] if place is not None else []
    return pieces


def _counted(one: str, many: str, count: float) -> str:
    if language() == DEFAULT:
        return one if count == 1 else many
    return str(_catalogue(language()).ngettext(one, many, count))


def _said(message: str) -> str:
    if not message or language() == DEFAULT:
        return message
    return str(_catalogue(language()).gettext(message))


@cache
def _catalogue(name: str) -> Any:
    """A catalogue ready for look-ups. Read from its text, so that no compiled file can be older than it."""
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po
    from babel.support import Translations

    with (CATALOGUES / f"{name}.po").open("rb") as source:
        read = read_po(source, locale=name)
    compiled = BytesIO()
    write_mo(compiled, read)
    compiled.seek(0)
    return Translations(compiled)
