"""Colours and markers of both themes, as one table: figures and reports take these values, the style sheet its
variables."""

from dataclasses import dataclass
from typing import Literal

from app.language import mark

Scheme = Literal["light", "dark"]
Verdict = Literal["better", "tie", "worse"]
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', 'Noto Sans CJK SC', sans-serif"


@dataclass(frozen=True)
class FamilyMark:
    """How a family of methods is told apart: colour and marker always together, dashes within radars."""

    colour: str
    marker: str
    dash: str


@dataclass(frozen=True)
class Palette:
    """One theme. `heat` and `diverging` run from low to high in nine steps."""

    scheme: Scheme
    page: str
    surface: str
    line: str
    strong: str
    ink: str
    ink_2: str
    accent: str
    accent_soft: str
    button: str
    warn: str
    warn_soft: str
    bad: str
    bad_soft: str
    better: str
    tie: str
    worse: str
    heat: tuple[str, ...]
    diverging: tuple[str, ...]
    families: dict[str, str]
    font: str = FONT

    def family(self, name: str) -> FamilyMark:
        """The mark of a family; one that has none of its own looks like the references."""
        marker, dash = MARKERS.get(name, MARKERS["reference"])
        return FamilyMark(self.families.get(name, self.families["reference"]), marker, dash)

    def verdict(self, name: Verdict) -> str:
        return {"better": self.better, "tie": self.tie, "worse": self.worse}[name]


MARKERS = {
    "reference": ("square", "solid"),
    "lora": ("circle", "solid"),
    "factorised": ("diamond", "dash"),
    "orthogonal": ("hexagon2", "longdash"),
    "adapter": ("triangle-up", "dashdot"),
    "soft_prompt": ("cross", "dot"),
    "selective": ("triangle-down", "longdashdot"),
    "rescaling": ("star", "dashdot"),
    "spectral": ("bowtie", "dash"),
    "external": ("x", "dot"),
}
FAMILY_TITLES = {
    "reference": mark("Reference"),
    "lora": mark("LoRA family"),
    "factorised": mark("Other factorised"),
    "orthogonal": mark("Orthogonal"),
    "adapter": mark("Adapter"),
    "soft_prompt": mark("Soft prompt"),
    "selective": mark("Selective"),
    "rescaling": mark("Rescaling"),
    "spectral": mark("Spectral"),
    "external": mark("Elsewhere"),
}
"""Said with `tr` where they are shown."""


def _colours(codes: str) -> tuple[str, ...]:
    return tuple(f"#{code}" for code in codes.split())


def _families(codes: str) -> dict[str, str]:
    return dict(zip(MARKERS, _colours(codes), strict=True))


LIGHT = Palette(
    scheme="light",
    page="#f6f7f5",
    surface="#ffffff",
    line="#dde2de",
    strong="#b9c2bd",
    ink="#15211f",
    ink_2="#53625f",
    accent="#0b6b66",
    accent_soft="#e0efec",
    button="#0b6b66",
    warn="#8a5200",
    warn_soft="#fdf1dc",
    bad="#b3311b",
    bad_soft="#fbe9e4",
    better="#036262",
    tie="#6b7975",
    worse="#8b3907",
    heat=_colours("f8fbf9 e1f1e9 cbe7db b5dcce 9fd1c3 89c6b8 72bbaf 59b0a7 3ca59f"),
    diverging=_colours("8b3907 a76648 c1927e dabfb4 f1eeec b1cccb 76a9a9 358787 036262"),
    families=_families("15211f 0366b2 4e9ea5 5e2b9a d55a65 b58601 5f7a2e b74179 5c3d05 4a5568"),
)
DARK = Palette(
    scheme="dark",
    page="#0e1413",
    surface="#161e1d",
    line="#2a3533",
    strong="#465551",
    ink="#e7edeb",
    ink_2="#a0afab",
    accent="#5cc9bd",
    accent_soft="#16322f",
    button="#0f7f78",
    warn="#f0b95e",
    warn_soft="#33270f",
    bad="#f58a70",
    bad_soft="#3a1e18",
    better="#58cccc",
    tie="#93a29e",
    worse="#f99d73",
    heat=_colours("1a2222 192d2d 193837 194341 184e4b 185955 17655f 177069 167c72"),
    diverging=_colours("f99d73 c27f61 8e634f 5d473e 302d2c 3a5252 477978 51a1a1 58cccc"),
    families=_families("e7edeb 5aa3ec 8cebea 7c56d6 d86a0a f5cc58 91af60 fe76b9 886f55 b4bdd0"),
)
