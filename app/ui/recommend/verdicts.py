"""The verdicts in words: what each says, and no more."""

from dash import html

from app.schemas import Verdict
from app.ui.study.parts import tag

VERDICTS: dict[Verdict, tuple[str, str, str]] = {
    "clear": (
        "Clear",
        "good",
        "It beats the runner-up in nearly all draws and, where quality decides, the paired test separates the two.",
    ),
    "lean": ("Leaning", "warn", "The likeliest, but not separated from the runner-up."),
    "no clear winner": ("No clear winner", "warn", "Two methods are about as likely; what each buys is said."),
    "not enough evidence": ("Not enough evidence", "warn", "Nothing can be recommended from these runs yet."),
}
"""Word, tone and meaning."""


def verdict_tag(verdict: Verdict) -> html.Span:
    """The verdict as a word, its meaning on hover."""
    word, tone, meaning = VERDICTS[verdict]
    return tag(word, tone, meaning)
