"""`peft-atlas backup` and `restore`, as they are typed."""

import json
from pathlib import Path

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from app.cli import app
from app.db.session import make_engine
from app.services import exports
from app.services.callers import LOCAL
from app.settings import Settings
from tests.app.services import exported


@pytest.fixture
def run(home: Path) -> CliRunner:
    return CliRunner()


def test_what_is_saved_is_put_back_into_another_home(
    run: CliRunner, engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = exported.finished(engine)
    file = tmp_path / "atlas.backup"
    saved = run.invoke(app, ["backup", str(file), "--json"])
    assert saved.exit_code == 0, saved.output
    told = json.loads(saved.stdout)
    assert (told["rows"]["studies"], told["left_out"], Path(told["file"])) == (1, [], file)
    monkeypatch.setenv("PEFT_ATLAS_HOME", str(tmp_path / "another"))
    restored = run.invoke(app, ["restore", str(file)])
    assert restored.exit_code == 0, restored.output
    assert restored.stdout.startswith(f"{sum(told['rows'].values())} rows and {told['files']} files")
    there = make_engine(Settings().database)
    assert exports.export_study(there, LOCAL, study, "csv") == exports.export_study(engine, LOCAL, study, "csv")
    there.dispose()


def test_what_is_there_is_given_up_only_when_that_is_said(run: CliRunner, engine: Engine, tmp_path: Path) -> None:
    exported.finished(engine)
    file = str(tmp_path / "atlas.backup")
    assert "rows and" in run.invoke(app, ["backup", file]).stdout
    again = run.invoke(app, ["backup", file])
    assert (again.exit_code, "is there already" in again.stderr) == (1, True)
    engine.dispose()
    refused = run.invoke(app, ["restore", file])
    assert (refused.exit_code, "--replace" in refused.stderr) == (1, True)
    replaced = run.invoke(app, ["restore", file, "--replace", "--json"])
    assert replaced.exit_code == 0, replaced.output
    assert json.loads(replaced.stdout)["rows"]["studies"] == 1


def test_what_is_no_backup_is_one_sentence(run: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no backup")
    for wrong in ("text", "nowhere"):
        found = run.invoke(app, ["restore", str(tmp_path / wrong)])
        assert (found.exit_code, len(found.stderr.splitlines())) == (1, 1)


@pytest.mark.parametrize("words", [["backup", "file"], ["restore", "file"], ["migrate"], ["study", "costs", "1"]])
def test_what_works_on_the_data_is_not_meant_for_a_server(
    run: CliRunner, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setenv("PEFT_ATLAS_URL", "http://127.0.0.1:1")
    found = run.invoke(app, words)
    assert (found.exit_code, "without PEFT_ATLAS_URL" in found.stderr) == (1, True)
