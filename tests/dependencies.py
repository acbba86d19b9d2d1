"""What the project needs, and what that needs in turn, read from the metadata of the installed packages."""

import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]


def project() -> dict[str, Any]:
    """The [project] table of pyproject.toml."""
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def requirements(*extras: str) -> list[Requirement]:
    """What pyproject.toml asks for: run time, and the named extras."""
    table = project()
    lines = table["dependencies"] + [line for extra in extras for line in table["optional-dependencies"][extra]]
    return [Requirement(line) for line in lines]


def closure(wanted: list[Requirement], environment: dict[str, str]) -> set[str]:
    """The names of all packages that installing `wanted` brings, where markers see this `environment`."""
    seen: set[tuple[str, str]] = set()
    waiting = list(wanted)
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        for extra in {"", *requirement.extras}:
            if (name, extra) not in seen:
                seen.add((name, extra))
                waiting += _needs(name, extra, environment)
    return {name for name, _ in seen}


def _needs(name: str, extra: str, environment: dict[str, str]) -> list[Requirement]:
    needed = [Requirement(line) for line in distribution(name).requires or []]
    scope = environment | {"extra": extra}
    return [requirement for requirement in needed if requirement.marker is None or requirement.marker.evaluate(scope)]
