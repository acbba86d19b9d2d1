"""The commands with PEFT_ATLAS_URL: what they print is what they print at home."""

import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from app.cli import app
from app.main import create_app
from app.settings import Settings
from tests.app.services import exported
from tests.app.services.imports.result_files import image_result, result
from tests.flow.conftest import free_port, serving

STUDY = """
name: Small
budget: {steps: 2, batch_size: 4, max_length: 16}
seeds: 2
methods: [{method: bitfit, learning_rates: [1e-3]}]
references: []
"""
VARIABLE = re.compile(r'"(created_at|updated_at|exported_at)":\s*"[^"]+"')
UNREACHABLE, NOT_ALLOWED = 3, 4


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server with a home of its own, in which a study has ended."""
    settings = Settings(home=tmp_path_factory.mktemp("server"))
    web = create_app(settings)
    exported.finished(web.state.engine)
    with serving(web) as url:
        yield url


@pytest.fixture
def finished(engine: Engine) -> int:
    """The same study at home."""
    return exported.finished(engine)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Documents, an exported study, and published results of which one is cut off and one is a link elsewhere."""
    (tmp_path / "study.yaml").write_text(STUDY)
    (tmp_path / "bad.yaml").write_text(STUDY.replace("bitfit", "no_such_method"))
    (tmp_path / "bad.json").write_text("[]")
    for suite, document in (("MetaMathQA", result("lora/a")), ("image-gen", image_result("lora/a"))):
        results = tmp_path / "method_comparison" / suite / "results"
        results.mkdir(parents=True)
        (results / "lora--a.json").write_text(json.dumps(document))
    results = tmp_path / "method_comparison" / "MetaMathQA" / "results"
    (results / "cut.json").write_text('{"run_info": ')
    (results / "link.json").symlink_to(tmp_path / "bad.json")
    return tmp_path


def commands(files: Path) -> list[list[str]]:
    """Each with what it needs done before it; the studies get the same numbers in both places."""
    archive = str(files / "archive.json")
    published = str(files / "method_comparison")
    return [
        ["devices", "--json"],
        ["export", "1", "--format", "csv"],
        ["export", "1", "--format", "yaml", "--json"],
        ["export", "1", "--output", archive],
        ["export", "77"],
        ["import", "study", archive],
        ["import", "study", archive, "--json"],
        ["import", "study", str(files / "bad.json"), "--json"],
        ["import", "study", str(files / "bad.json")],
        ["study", "run", str(files / "study.yaml")],
        ["study", "run", str(files / "study.yaml"), "--json"],
        ["study", "run", str(files / "bad.yaml")],
        ["quickstart"],
        ["quickstart", "--json"],
        ["import", "hf-peft", published],
        ["import", "hf-peft", published, "--json"],
        ["import", "hf-peft", str(files / "method_comparison" / "MetaMathQA")],
    ]


def test_what_is_printed_over_http_is_what_is_printed_at_home(
    home: Path, finished: int, files: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_home = [told(command) for command in commands(files)]
    monkeypatch.setenv("PEFT_ATLAS_URL", server)
    monkeypatch.setattr("app.cli.over_http.FILES_A_REQUEST", 1)
    over_http = [told(command) for command in commands(files)]
    for command, here, there in zip(commands(files), at_home, over_http, strict=True):
        assert there == here, command
    assert [code for code, _, _ in at_home].count(0) == 13


def told(command: list[str]) -> tuple[int, Any, str]:
    found = CliRunner().invoke(app, command)
    assert found.exception is None or isinstance(found.exception, SystemExit), found.exception
    return found.exit_code, VARIABLE.sub("", found.stdout), found.stderr


def test_a_server_that_is_not_there(home: Path, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEFT_ATLAS_URL", f"http://127.0.0.1:{free_port()}")
    code, printed, said = told(["study", "run", str(files / "study.yaml"), "--json"])
    assert (code, printed) == (UNREACHABLE, "")
    assert said.startswith("The server of PEFT_ATLAS_URL does not answer")
    assert not (home / "atlas.sqlite").exists()


def test_an_address_of_something_else(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("PEFT_ATLAS_URL", f"http://127.0.0.1:{other.getsockname()[1]}")
        answer_once(other, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\nConnection: close\r\n\r\n<html>hi!")
        code, _, said = told(["devices"])
    assert (code, "answers, but not as this version of PEFT Atlas" in said) == (1, True)


def answer_once(server: socket.socket, answer: bytes) -> None:
    from threading import Thread

    def accept() -> None:
        connection, _ = server.accept()
        with connection:
            connection.recv(65_536)
            connection.sendall(answer)

    Thread(target=accept, daemon=True).start()


def test_a_token_that_is_not_enough(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body = b'{"title": "Refused", "detail": "This token may only read."}'
    head = b"HTTP/1.1 403 Forbidden\r\nContent-Type: application/problem+json\r\nConnection: close\r\n"
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setenv("PEFT_ATLAS_URL", f"http://127.0.0.1:{other.getsockname()[1]}")
        answer_once(other, head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert told(["devices"]) == (NOT_ALLOWED, "", "This token may only read.\n")


def test_costs_are_told_on_the_servers_machine_only(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEFT_ATLAS_URL", "http://127.0.0.1:1")
    code, _, said = told(["study", "costs", "1"])
    assert (code, "without PEFT_ATLAS_URL" in said) == (1, True)


def test_a_setting_that_cannot_be_read_is_one_sentence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PEFT_ATLAS_URL", "atlas.example.org")
    code, _, said = told(["devices"])
    assert (code, said.startswith("PEFT_ATLAS_URL: "), len(said.splitlines())) == (1, True, 1)


def test_the_token_is_shown_nowhere(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "token").write_text("canary-of-a-token\n")
    monkeypatch.setenv("PEFT_ATLAS_TOKEN_FILE", str(home / "token"))
    assert Settings().api_token == "canary-of-a-token"
    assert "canary" not in repr(Settings(token="canary")) + str(Settings(token="canary").model_dump())
