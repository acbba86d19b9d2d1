"""requirements.lock: one plain version for every package, on every supported Python and system."""

from importlib.metadata import metadata

import pytest
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.dependencies import PYTHONS, ROOT, SYSTEMS, closure, environment, pins, project, requirements


def test_every_line_is_one_public_version() -> None:
    assert all(Version(version).local is None for version in pins().values())
    assert pins()["torch"] == "2.13.0"


def test_it_names_no_host_no_hash_and_no_folder() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert not [word for word in ("://", "--", "sha256", " @ ", "file:", "-e ") if word in text]


def test_pins_lie_within_the_ranges_of_pyproject() -> None:
    locked = pins()
    for requirement in requirements("worker", "dev"):
        assert requirement.specifier.contains(locked[canonicalize_name(requirement.name)]), requirement


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(("platform", "system", "machine"), SYSTEMS)
def test_nothing_is_left_unpinned(python: str, platform: str, system: str, machine: str) -> None:
    unpinned = closure(requirements("worker", "dev"), environment(python, platform, system, machine)) - pins().keys()
    # A CUDA build of torch pins its own libraries, to the last digit.
    # pip, which two of them call, is what installs the rest.
    known = {"triton", "pip"}
    assert not {name for name in unpinned - known if not name.startswith(("nvidia-", "cuda-"))}


def test_every_pinned_version_supports_every_python() -> None:
    wanted = SpecifierSet(project()["requires-python"])
    assert all(f"{python}.0" in wanted for python in PYTHONS)
    for name in pins():
        supported = SpecifierSet(",".join(metadata(name).get_all("Requires-Python") or []))
        assert all(f"{python}.0" in supported for python in PYTHONS), name
