"""The colours of both themes as pages take them.

Exported figures cannot read CSS variables, so charts take a `Palette`; `css_variables` writes the same table for pages.
"""

from app.colours import DARK, FAMILY_TITLES, FONT, LIGHT, MARKERS, FamilyMark, Palette, Scheme, Verdict

__all__ = [
    "DARK",
    "FAMILY_TITLES",
    "FONT",
    "LIGHT",
    "MARKERS",
    "FamilyMark",
    "Palette",
    "Scheme",
    "Verdict",
    "css_variables",
    "palette",
]

VARIABLES = (
    *("page", "surface", "line", "strong", "ink", "ink_2", "accent", "accent_soft", "button"),
    *("warn", "warn_soft", "bad", "bad_soft", "better", "tie", "worse"),
)


def palette(scheme: str | None) -> Palette:
    """The palette of a colour scheme as the browser names it; light where it has not said."""
    return DARK if scheme == "dark" else LIGHT


def css_variables() -> str:
    """The same table as CSS custom properties for both themes."""
    return (
        f":root,[data-mantine-color-scheme=light]{{{_properties(LIGHT)}}}"
        f"[data-mantine-color-scheme=dark]{{{_properties(DARK)}}}"
    )


def _properties(palette: Palette) -> str:
    values = {name.replace("_", "-"): getattr(palette, name) for name in VARIABLES}
    values |= {f"family-{name.replace('_', '-')}": colour for name, colour in palette.families.items()}
    values |= {"heat-lo": palette.heat[0], "heat-hi": palette.heat[-1]}
    return "".join(f"--{name}:{value};" for name, value in values.items())
