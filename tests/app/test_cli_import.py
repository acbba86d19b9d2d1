"""`peft-atlas import hf-peft`."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app
from tests.app.services.imports.result_files import image_result, published, result


@pytest.fixture
def run(home: Path) -> CliRunner:
    return CliRunner()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for suite, document in (("MetaMathQA", result("lora/a")), ("image-gen", image_result("lora/a"))):
        results = tmp_path / "method_comparison" / suite / "results"
        results.mkdir(parents=True)
        (results / "lora--a.json").write_text(json.dumps(document))
    (tmp_path / "method_comparison" / "MetaMathQA" / "results" / "cut.json").write_text('{"run_info": ')
    return tmp_path / "method_comparison"


def test_the_report_as_json(run: CliRunner, folder: Path) -> None:
    found = run.invoke(app, ["import", "hf-peft", str(folder), "--json"])
    assert found.exit_code == 0, found.output
    report = json.loads(found.stdout)
    assert report.keys() == {"imported", "unchanged", "refused", "study_ids"}
    assert (report["imported"], report["unchanged"], len(report["study_ids"])) == (2, 0, 2)
    (refused,) = report["refused"]
    assert refused["file"] == "MetaMathQA/results/cut.json"
    assert refused["reason"].startswith("It is not JSON, or was cut off")
    again = json.loads(run.invoke(app, ["import", "hf-peft", str(folder), "--json"]).stdout)
    assert (again["imported"], again["unchanged"], again["study_ids"]) == (0, 2, report["study_ids"])


def test_the_report_in_words(run: CliRunner, folder: Path) -> None:
    found = run.invoke(app, ["import", "hf-peft", str(folder / "MetaMathQA")])
    assert found.exit_code == 0
    assert found.stdout.splitlines() == ["1 imported, 0 unchanged, 1 refused.", "Study 1: MetaMathQA"]
    assert found.stderr.startswith("results/cut.json: It is not JSON")


def test_a_folder_without_results_is_one_sentence(run: CliRunner, tmp_path: Path) -> None:
    for wrong in (tmp_path / "missing", tmp_path):
        found = run.invoke(app, ["import", "hf-peft", str(wrong)])
        assert found.exit_code == 1
        assert len(found.stderr.strip().splitlines()) == 1


def test_where_no_file_could_be_taken_it_fails(run: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[]")
    found = run.invoke(app, ["import", "hf-peft", str(tmp_path), "--json"])
    assert found.exit_code == 1
    assert len(json.loads(found.stdout)["refused"]) == 1


def test_the_published_comparison(run: CliRunner) -> None:
    found = run.invoke(app, ["import", "hf-peft", str(published()), "--json"])
    assert found.exit_code == 0, found.output
    report = json.loads(found.stdout)
    assert (report["imported"], report["unchanged"], report["refused"]) == (94, 0, [])
