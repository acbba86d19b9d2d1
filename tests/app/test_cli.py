"""The commands: what they refuse in one sentence, and a study from a file."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from typer.testing import CliRunner

from app.cli import app
from app.db.session import system_session
from app.db.tables import Configuration, Run, Study
from app.services import studies
from app.services.callers import LOCAL
from app.settings import Settings
from tests.app.services import exported

DOCUMENT = """
name: Quickstart
base_model: minilm            # registered name, local folder or hub id
task: tweets                  # registered task
budget: {epochs: 3, batch_size: 8, max_length: 64}     # or steps:
seeds: 3                      # or a list
methods:
  - {method: lora, hyperparameters: {rank: 8}, learning_rates: [1e-3, 3e-3, 1e-2]}
  - {method: prefix_tuning}   # the method's own recommended values and grid
references: [untuned, head_only, full]
"""


@pytest.fixture
def run(home: Path) -> CliRunner:
    return CliRunner()


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield listening.getsockname()[1]


@pytest.mark.parametrize("command", ["up", "serve"])
def test_a_taken_port_is_told_in_one_sentence(run: CliRunner, taken_port: int, command: str) -> None:
    found = run.invoke(app, [command, "--port", str(taken_port)])
    assert found.exit_code == 1
    assert f"Port {taken_port} on 127.0.0.1 is taken." in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.org"])
@pytest.mark.parametrize("command", ["up", "serve"])
def test_other_addresses_than_loopback_are_refused(run: CliRunner, command: str, host: str) -> None:
    found = run.invoke(app, [command, "--host", host])
    assert found.exit_code == 1
    assert "is not a loopback address" in found.stderr


def test_a_study_from_a_file_with_yaml_1_2_numbers(run: CliRunner, engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(DOCUMENT)
    found = run.invoke(app, ["study", "run", str(file), "--json"])
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)["status"] == "queued"
    with system_session(engine) as session:
        lora = session.scalar(select(Configuration).where(Configuration.method == "lora"))
        assert lora is not None
        assert lora.learning_rates == [1e-3, 3e-3, 1e-2]
        assert lora.hyperparameters["rank"] == 8
        purposes = list(session.scalars(select(Run.purpose)))
    # Four tuned rows of 3 or 5 rates, 3 seeds and a probe; untuned without a grid.
    assert (purposes.count("tune"), purposes.count("report"), purposes.count("probe")) == (3 + 3 * 5, 15, 5)


@pytest.mark.parametrize(
    ("text", "said"),
    [("name: [", "is not YAML"), ("methods: []\nname: x", "methods"), ("just text", "dictionary"), ("", "dictionary")],
)
def test_a_bad_file_is_told_in_one_sentence(run: CliRunner, tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "study.yaml"
    file.write_text(text)
    found = run.invoke(app, ["study", "run", str(file)])
    assert found.exit_code == 1
    assert said in found.stderr
    assert "Traceback" not in found.output


def test_a_missing_file(run: CliRunner) -> None:
    found = run.invoke(app, ["study", "run", "nowhere.yaml"])
    assert (found.exit_code, "There is no file nowhere.yaml." in found.stderr) == (1, True)


def test_what_is_exported_makes_the_same_study_again(run: CliRunner, engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(DOCUMENT)
    run.invoke(app, ["study", "run", str(tmp_path / "study.yaml")])
    exported = run.invoke(app, ["export", "1"])
    (tmp_path / "again.json").write_text(exported.stdout)
    assert run.invoke(app, ["study", "run", str(tmp_path / "again.json")]).exit_code == 0
    with system_session(engine) as session:
        first, second = session.scalars(select(Study).order_by(Study.id))
        assert first.document == second.document
    assert run.invoke(app, ["export", "9"]).exit_code == 1


@pytest.fixture
def finished(engine: Engine) -> int:
    return exported.finished(engine)


@pytest.mark.parametrize("format", ["json", "yaml", "csv", "md", "html"])
def test_an_export_is_printed_or_written(run: CliRunner, finished: int, tmp_path: Path, format: str) -> None:
    printed = run.invoke(app, ["export", str(finished), "--format", format])
    assert printed.exit_code == 0
    file = tmp_path / f"study.{format}"
    written = run.invoke(app, ["export", str(finished), "--format", format, "--output", str(file)])
    assert written.stdout == f"Study {finished} is in {file}.\n"
    # All but the time of writing, which json and html tell.
    assert file.read_text(encoding="utf-8")[:1_000] == printed.stdout[:1_000]


def test_what_cannot_be_exported_is_told(run: CliRunner, finished: int, tmp_path: Path) -> None:
    unknown = run.invoke(app, ["export", str(finished), "--format", "pdf"])
    assert (unknown.exit_code, "json, yaml, csv, md, html" in unknown.stderr) == (1, True)
    nowhere = run.invoke(app, ["export", str(finished), "--output", str(tmp_path / "no" / "file.json")])
    assert (nowhere.exit_code, "cannot be written" in nowhere.stderr) == (1, True)


def test_an_exported_study_is_imported_once(run: CliRunner, finished: int, tmp_path: Path) -> None:
    file = tmp_path / "study.json"
    run.invoke(app, ["export", str(finished), "--output", str(file)])
    first = run.invoke(app, ["import", "study", str(file), "--json"])
    assert first.exit_code == 0, first.output
    told = json.loads(first.stdout)
    assert told == {"imported": 1, "unchanged": 0, "refused": [], "study_ids": [finished + 1]}
    again = json.loads(run.invoke(app, ["import", "study", str(file), "--json"]).stdout)
    assert again == told | {"imported": 0, "unchanged": 1}
    assert f"study {finished + 1} was imported" in run.invoke(app, ["import", "study", str(file)]).stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"{", "not JSON"), (b" " * 40_000_000, "at most"), (DOCUMENT.encode(), "not JSON"), (None, "cannot be read")],
    ids=["cut off", "too large", "yaml", "absent"],
)
def test_a_bad_import_is_told_in_one_sentence(
    run: CliRunner, engine: Engine, tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "study.json"
    if content is not None:
        file.write_bytes(content)
    found = run.invoke(app, ["import", "study", str(file)])
    assert (found.exit_code, len(found.stderr.strip().splitlines())) == (1, 1)
    assert said in found.stderr
    with system_session(engine) as session:
        assert session.scalars(select(Study)).all() == []


def test_a_refused_import_is_listed_in_json(run: CliRunner, tmp_path: Path) -> None:
    file = tmp_path / "study.json"
    file.write_text("[]")
    found = run.invoke(app, ["import", "study", str(file), "--json"])
    told = json.loads(found.stdout)
    assert found.exit_code == 1
    assert [refused["file"] for refused in told["refused"]] == [str(file)]
    assert told["study_ids"] == []


def test_the_quickstart_is_queued_on_the_first_start_only(engine: Engine, settings: Settings) -> None:
    first = studies.queue_quickstart_once(engine, settings, LOCAL)
    assert first == 1
    assert studies.queue_quickstart_once(engine, settings, LOCAL) is None
