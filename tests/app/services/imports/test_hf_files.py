"""Which files an import takes, and that nothing else is read."""

import json
import os
from pathlib import Path

import pytest

from app.errors import Invalid
from app.schemas import LARGEST_RESULT_BYTES
from app.services.imports.hf_files import files_of_folder, uploaded_files
from app.services.imports.hf_result import RefusedResult
from tests.app.services.imports.result_files import result


@pytest.fixture
def comparison(tmp_path: Path) -> Path:
    """method_comparison/ with two suites, and what lies about there besides."""
    root = tmp_path / "method_comparison"
    for suite in ("MetaMathQA", "image-gen"):
        results = root / suite / "results"
        results.mkdir(parents=True)
        (results / "lora--a.json").write_text(json.dumps(result("lora/a")))
        (root / suite / "default_training_params.json").write_text("{}")
    (root / "README.md").write_text("read me")
    return root


def named(folder: Path) -> list[tuple[str, str | None]]:
    return [(file.name, file.folder) for file in files_of_folder(folder)]


def refusal(folder: Path, name: str) -> str:
    file = next(file for file in files_of_folder(folder) if file.name == name)
    with pytest.raises(RefusedResult) as refused:
        file.read()
    return str(refused.value)


def test_the_folder_may_be_the_comparison_a_suite_or_its_results(comparison: Path) -> None:
    suite = comparison / "MetaMathQA"
    assert named(comparison) == [
        ("MetaMathQA/results/lora--a.json", "MetaMathQA"),
        ("image-gen/results/lora--a.json", "image-gen"),
    ]
    assert named(suite) == [("results/lora--a.json", "MetaMathQA")]
    assert named(suite / "results") == [("lora--a.json", "MetaMathQA")]


def test_a_folder_of_files_alone_names_the_suite(tmp_path: Path) -> None:
    (tmp_path / "MySuite").mkdir()
    (tmp_path / "MySuite" / "a.json").write_text("{}")
    (tmp_path / "MySuite" / "notes.txt").write_text("not meant")
    assert named(tmp_path / "MySuite") == [("a.json", "MySuite")]


def test_a_folder_without_results_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="There are no result files in"):
        files_of_folder(tmp_path)
    with pytest.raises(Invalid, match="There is no folder"):
        files_of_folder(tmp_path / "missing")


def test_what_is_no_plain_file_of_the_folder_is_refused_one_by_one(comparison: Path, tmp_path: Path) -> None:
    results = comparison / "MetaMathQA" / "results"
    (tmp_path / "secret.json").write_text(json.dumps(result("lora/secret")))
    (results / "folder.json").mkdir()
    (results / "link.json").symlink_to(tmp_path / "secret.json")
    (results / "loop.json").symlink_to(results / "loop.json")
    (results / "gone.json").symlink_to(results / "nothing.json")
    (results / "inside.json").symlink_to(results / "lora--a.json")
    (results / "notes.txt").write_text("notes")
    os.mkfifo(results / "pipe.json")
    with (results / "huge.json").open("wb") as file:
        file.truncate(100_000_000)
    said = {name: refusal(results, f"{name}.json") for name in ("folder", "link", "loop", "gone", "pipe", "huge")}
    assert said["folder"] == "is a folder"
    assert said["link"] == "is a link to something outside of the folder"
    assert said["pipe"] == "is no plain file"
    assert said["huge"] == f"is larger than {LARGEST_RESULT_BYTES:,} bytes, more than any result file"
    assert said["loop"].startswith("cannot be read")
    assert said["gone"].startswith("cannot be read")
    assert refusal(results, "notes.txt") == "is no .json file"
    inside = next(file for file in files_of_folder(results) if file.name == "inside.json")
    assert inside.read() == (results / "lora--a.json").read_bytes()


def test_results_that_are_a_link_to_elsewhere_are_not_read(comparison: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "results").symlink_to(comparison / "MetaMathQA" / "results")
    assert refusal(tmp_path / "other", "results/lora--a.json") == "is a link to something outside of the folder"


def test_a_name_that_is_no_utf_8_is_still_told(comparison: Path) -> None:
    results = comparison / "MetaMathQA" / "results"
    (results / os.fsdecode(b"caf\xe9.json")).write_text("{}")
    assert "caf\ufffd.json" in [name for name, _ in named(results)]


@pytest.mark.parametrize(
    ("path", "name", "folder"),
    [
        ("method_comparison/MetaMathQA/results/a.json", "method_comparison/MetaMathQA/results/a.json", "MetaMathQA"),
        ("MetaMathQA\\results\\a.json", "MetaMathQA/results/a.json", "MetaMathQA"),
        ("image-gen/a.json", "image-gen/a.json", "image-gen"),
        ("results/a.json", "results/a.json", None),
        ("a.json", "a.json", None),
        ("../../etc/a.json", "etc/a.json", "etc"),
        ("/a.json", "a.json", None),
        ("", "(a file without a name)", None),
    ],
)
def test_an_upload_is_named_by_its_path_and_nothing_is_looked_up(path: str, name: str, folder: str | None) -> None:
    (file,) = uploaded_files([(path, lambda most: b"{}"[:most])])
    assert (file.name, file.folder) == (name, folder)
