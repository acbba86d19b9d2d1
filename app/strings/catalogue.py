"""The sentences that code says, and the file that holds their translations."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.pofile import read_po, write_po

from app.strings.cards import card_sentences

APP = Path(__file__).resolve().parents[1]
CHINESE = APP / "strings" / "zh.po"
HEADER = """\
# What the product says, in Chinese. Kept by `make strings`; translations are written by hand.
msgid ""
msgstr ""
"Language: zh\\n"
"Plural-Forms: nplurals=1; plural=0;\\n"
"Content-Type: text/plain; charset=utf-8\\n"

"""
KEYWORDS: dict[str, tuple[int, ...] | None] = {
    **dict.fromkeys(("tr", "mark", "filled", "sentence")),
    **dict.fromkeys(("trn", "filledn", "counted_sentence"), (1, 2)),
}

Message = str | tuple[str, str]


def said() -> set[Message]:
    """Every sentence of the code and of the catalogues that it shows; a plural is the pair of its forms."""
    return {message for path in sorted(APP.rglob("*.py")) for message in _in_file(path)} | card_sentences()


def _in_file(path: Path) -> Iterator[Message]:
    for _, message, _, _ in extract_from_file("python", str(path), keywords=KEYWORDS):
        yield message if isinstance(message, str) else (message[0], message[1])


def read_chinese() -> Catalog:
    """The translations as they are kept."""
    with CHINESE.open("rb") as source:
        return read_po(source, locale="zh")


def _key(found: str | tuple[str, ...] | list[str]) -> Message:
    return found if isinstance(found, str) else (found[0], found[1])


def write_chinese(catalogue: Catalog) -> None:
    """Keep the translations, in the order of the alphabet so that two branches rarely meet in a line."""
    written = BytesIO()
    write_po(written, catalogue, sort_output=True, omit_header=True, width=120)
    CHINESE.write_text(HEADER + written.getvalue().decode(), encoding="utf-8")


def update() -> tuple[int, int, int]:
    """Bring the file up to date: how many sentences are new, how many are gone, how many have no translation."""
    kept, wanted = read_chinese(), said()
    known = {_key(message.id): message.string for message in kept if message.id}
    fresh = Catalog(locale="zh")
    for message in wanted:
        fresh.add(message, known.get(message) or ("" if isinstance(message, str) else ("",)))
    write_chinese(fresh)
    empty = sum(not any(message.string or "") for message in fresh if message.id)
    return len(wanted - known.keys()), len(known.keys() - wanted), empty
