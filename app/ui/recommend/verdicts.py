"""The verdicts in words: what each says, and no more."""

from dash import html

from app.language import mark, tr
from app.schemas import Verdict
from app.ui.study.parts import tag

VERDICTS: dict[Verdict, tuple[str, str, str]] = {
    "clear": (
        mark("Clear"),
        "good",
        mark(
            "It beats the runner-up in nearly all draws and, where quality decides, the paired test separates the two."
        ),
    ),
    "lean": (mark("Leaning"), "warn", mark("The likeliest, but not separated from the runner-up.")),
    "no clear winner": (
        mark("No clear winner"),
        "warn",
        mark("Two methods are about as likely; what each buys is said."),
    ),
    "not enough evidence": (
        mark("Not enough evidence"),
        "warn",
        mark("Nothing can be recommended from these runs yet."),
    ),
}
"""Word, tone and meaning."""

SHORT: dict[Verdict, str] = {
    "clear": mark("clear"),
    "lean": mark("lean"),
    "no clear winner": mark("no clear winner"),
    "not enough evidence": mark("not enough evidence"),
}
"""The same in the middle of a line."""


def verdict_word(verdict: Verdict) -> str:
    """The verdict as a word."""
    return tr(VERDICTS[verdict][0])


def verdict_tag(verdict: Verdict) -> html.Span:
    """The verdict as a word, its meaning on hover."""
    _, tone, meaning = VERDICTS[verdict]
    return tag(verdict_word(verdict), tone, tr(meaning))
