"""A folder is a catalogue: what is put into it while the product runs is found, whenever it is put there."""

import importlib
import os
import time
from pathlib import Path
from types import ModuleType

import pytest

from peft_core.catalogue import SETTLED_SECONDS, discover

ENTRY = "from peft_core.scenario import Scenario\n\n\nclass Entry(Scenario):\n    pass\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    folder = tmp_path / f"catalogue_{tmp_path.name}"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "first.py").write_text(ENTRY)
    monkeypatch.syspath_prepend(str(tmp_path))
    return importlib.import_module(folder.name)


def found(package: ModuleType) -> list[str]:
    from peft_core.scenario import Scenario

    return list(discover(package, Scenario))


def test_of_a_folder_that_has_just_changed_no_list_is_remembered(package: ModuleType) -> None:
    """Clocks of file systems tick coarsely: two changes may bear the same time."""
    folder = Path(package.__path__[0])
    now = time.time_ns()
    os.utime(folder, ns=(now, now))
    assert found(package) == ["first"]
    (folder / "second.py").write_text(ENTRY)
    os.utime(folder, ns=(now, now))
    assert found(package) == ["first", "second"]


def test_a_file_put_into_a_folder_that_was_left_alone_is_found(package: ModuleType) -> None:
    folder = Path(package.__path__[0])
    old = time.time_ns() - int(2 * SETTLED_SECONDS * 1e9)
    os.utime(folder, ns=(old, old))
    assert found(package) == ["first"]
    (folder / "second.py").write_text(ENTRY)
    assert found(package) == ["first", "second"]


def test_a_file_that_was_seen_while_it_was_written_is_read_again(package: ModuleType) -> None:
    half = Path(package.__path__[0]) / "half.py"
    half.touch()
    with pytest.raises(TypeError, match="must define exactly one Scenario"):
        found(package)
    half.write_text(ENTRY)
    assert found(package) == ["first", "half"]
