"""The contract of a preset: one file in `peft_core/presets`, found by its file name, which is its key.

A preset is a choice of rows for a study that answers one question; what it names is checked like any other choice.
"""

from typing import ClassVar

from pydantic import JsonValue

from peft_core.catalogue import discover, pick
from peft_core.spec import Frozen


class PresetRow(Frozen):
    """One row of a study: a method, and the hyper-parameters that differ from its own defaults."""

    method: str
    hyperparameters: dict[str, JsonValue] = {}


class Preset:
    """A named choice of rows; the reference rows come with every study."""

    title: ClassVar[str]
    summary: ClassVar[str]
    """The question it answers, in a sentence."""
    position: ClassVar[int]
    """Order on the New study page."""

    @staticmethod
    def rows() -> tuple[PresetRow, ...]:
        """The rows, whatever the base model; one that it cannot have is offered disabled with the reason."""
        raise NotImplementedError


def presets() -> dict[str, type[Preset]]:
    """Every preset by key, in the page's order."""
    import peft_core.presets

    found = discover(peft_core.presets, Preset)
    return dict(sorted(found.items(), key=lambda entry: (entry[1].position, entry[0])))


def preset(key: str) -> type[Preset]:
    """The preset called `key`, or UnknownName."""
    return pick(presets(), key, "preset")
