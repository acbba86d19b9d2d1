"""How wide a text will be, before any browser has drawn it."""

from unicodedata import east_asian_width

NARROW, WIDE = frozenset("fiIjlrt.,:;|!()[]'·- "), frozenset("mwMW%@+=→×~")
NARROW_EM, WIDE_EM, CAPITAL_EM, OTHER_EM, IDEOGRAPH_EM = 0.37, 0.94, 0.71, 0.63, 1.02
"""As DejaVu Sans is drawn, the widest of those that a page may get for want of its own."""


def text_width_px(text: str, size_px: float) -> float:
    """Rather too much than too little."""
    return size_px * sum(map(_em, text))


def _em(character: str) -> float:
    if east_asian_width(character) in "WF":
        return IDEOGRAPH_EM
    if character in NARROW:
        return NARROW_EM
    if character in WIDE:
        return WIDE_EM
    return CAPITAL_EM if character.isupper() else OTHER_EM
