"""Reading a config that may come from anyone: every number is bounded and every field is typed."""

import math
from collections.abc import Mapping
from typing import Any

from peft_core.errors import InvalidBaseModel

MOST_LAYERS = 1_000
MOST_WIDTH = 1_000_000
MOST_INNER_WIDTH = 10_000_000
MOST_HEADS = 100_000
MOST_TOKENS = 100_000_000
ANY_LENGTH = 131_072
"""Positions of a model that has no table of them: what a budget allows at most."""

ACTIVATIONS = frozenset(
    {
        *("gelu", "gelu_10", "gelu_accurate", "gelu_fast", "gelu_new", "gelu_python", "gelu_pytorch_tanh"),
        *("gelu_python_tanh", "quick_gelu", "relu", "relu2", "relu6", "leaky_relu", "silu", "swish", "tanh"),
        *("sigmoid", "mish", "linear"),
    }
)


class InvalidConfig(InvalidBaseModel):
    """A field of a config that no model can have, or one that we do not know."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Fields:
    """Reading a config that nobody vouches for: every getter returns a value that is typed and bounded."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = config

    def whole(self, *names: str, default: int | None, most: int, least: int = 1) -> int:
        """The first of `names` that is there and not null; refuses what is no whole number from least to most."""
        name, value = self._first(names)
        if value is None:
            if default is None:
                raise InvalidConfig(names[0], f"The config has no {names[0]}. Add it: a whole number.")
            return default
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise InvalidConfig(
                name, f"{name} of the config is {shown(value)}: it must be a whole number from {least} to {most}."
            )
        return value

    def share(self, *names: str, default: float) -> float:
        """A dropout probability, 0 to below 1."""
        name, value = self._first(names)
        if value is None:
            return default
        number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
        if not 0 <= number < 1:
            raise InvalidConfig(name, f"{name} of the config is {shown(value)}: it must be a number from 0 to below 1.")
        return float(number)

    def flag(self, *names: str, default: bool) -> bool:
        name, value = self._first(names)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise InvalidConfig(name, f"{name} of the config is {shown(value)}: it must be true or false.")
        return value

    def word(self, *names: str, default: str, among: frozenset[str]) -> str:
        name, value = self._first(names)
        if value is None:
            return default
        if not isinstance(value, str) or value not in among:
            known = ", ".join(sorted(among))
            raise InvalidConfig(name, f"{name} of the config is {shown(value)}: it must be one of {known}.")
        return value

    def words(self, name: str) -> frozenset[str]:
        """Words in a list or divided by "|"; none where the field is missing."""
        _, value = self._first((name,))
        if value is None:
            return frozenset()
        listed = value.lower().split("|") if isinstance(value, str) and len(value) < 200 else value
        if not isinstance(listed, list) or len(listed) > 20 or not all(isinstance(word, str) for word in listed):
            raise InvalidConfig(name, f"{name} of the config is {shown(value)}: it must be a list of words.")
        return frozenset(word.strip() for word in listed)

    def is_null(self, name: str) -> bool:
        """Whether the field is there and null, which can mean something else than a missing one."""
        return name in self._config and self._config[name] is None

    def refuse(self, name: str) -> None:
        """For a field that would build another model than the one we know."""
        if self.flag(name, default=False):
            raise InvalidConfig(name, f"{name} of the config is true: such models are not supported. Set it to false.")

    def _first(self, names: tuple[str, ...]) -> tuple[str, Any]:
        found = ((name, self._config[name]) for name in names if self._config.get(name) is not None)
        return next(found, (names[0], None))


def shown(value: Any) -> str:
    return repr(value)[:40] if not isinstance(value, int) or abs(value) < 10**30 else "a huge number"
