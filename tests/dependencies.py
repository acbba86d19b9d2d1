"""What the project needs, and what that needs in turn, read from the metadata of the installed packages."""

import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13")
SYSTEMS = (("linux", "Linux", "x86_64"), ("linux", "Linux", "aarch64"), ("darwin", "Darwin", "arm64"))
"""Where it is meant to run: sys.platform, platform.system() and platform.machine()."""


def pins() -> dict[str, str]:
    """Name -> version of requirements.lock; a line that is anything but `name==version` fails."""
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    found: dict[str, str] = {}
    for line in (line for line in lines if line and not line.startswith("#")):
        requirement = Requirement(line)
        (specifier,) = requirement.specifier
        assert line == f"{requirement.name}=={specifier.version}", line
        found[canonicalize_name(requirement.name)] = specifier.version
    return found


def environment(python: str, platform: str, system: str, machine: str) -> dict[str, str]:
    """What markers see there."""
    return {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": platform,
        "platform_system": system,
        "platform_machine": machine,
    }


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
