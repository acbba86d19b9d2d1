"""docs/cli.md says what the commands are: each of them, each argument, each option, each exit code, and no other."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from app.cli import app, terminal
from tests.dependencies import ROOT

TEXT = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
PRINTS_A_LOG = "peft-atlas worker"


def leaves(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command that does something, with its whole name."""
    if not hasattr(command, "commands"):
        yield name, command
        return
    for word, below in command.commands.items():
        yield from leaves(below, f"{name} {word}")


COMMANDS = dict(leaves(typer.main.get_command(app), "peft-atlas"))


def sections() -> dict[str, tuple[list[str], str]]:
    """By command: the arguments of its heading, and what is said under it."""
    found = {}
    for heading, body in re.findall(r"^### `([^`]+)`\n(.*?)(?=^##|\Z)", TEXT, flags=re.MULTILINE | re.DOTALL):
        words = heading.split()
        arguments = [word for word in words if word.isupper()]
        found[" ".join(word for word in words if not word.isupper())] = (arguments, body)
    return found


def parameters(command: Any, kind: str) -> list[Any]:
    return [parameter for parameter in command.params if parameter.param_type_name == kind]


def test_every_command_has_its_section_and_every_section_is_a_command() -> None:
    assert sections().keys() == COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_its_section_names_its_arguments_and_options(name: str) -> None:
    arguments, body = sections()[name]
    command = COMMANDS[name]
    assert arguments == [(argument.metavar or argument.name).upper() for argument in parameters(command, "argument")]
    options = {word for option in parameters(command, "option") for word in (*option.opts, *option.secondary_opts)} - {
        "--help"
    }
    rows = set(re.findall(r"`(--[a-z-]+)`", "\n".join(line for line in body.splitlines() if line.startswith("|"))))
    assert rows == options


@pytest.mark.parametrize("name", COMMANDS)
def test_it_says_what_it_does_and_what_everything_is(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    shown = [parameter for parameter in parameters(command, "argument") if not parameter.help]
    assert shown == []


@pytest.mark.parametrize("name", COMMANDS.keys() - {PRINTS_A_LOG})
def test_whatever_prints_something_prints_json(name: str) -> None:
    assert "--json" in [word for option in parameters(COMMANDS[name], "option") for word in option.opts]


def test_the_exit_codes_are_those_of_the_code() -> None:
    told = [int(code) for code in re.findall(r"^\| (\d+) \|", TEXT, flags=re.MULTILINE)]
    assert told == [0, terminal.REFUSED, 2, terminal.UNREACHABLE, terminal.NOT_ALLOWED, 130]


@pytest.mark.parametrize("words", [["nothing"], ["export"], ["export", "one"], ["devices", "--nothing"]])
def test_wrong_usage_is_2(home: Path, words: list[str]) -> None:
    assert CliRunner().invoke(app, words).exit_code == 2


def test_what_is_interrupted_ends_with_130_and_the_study_goes_on(home: Path, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("name: Small\nmethods: [{method: bitfit, learning_rates: [1e-3]}]\n")
    command = [sys.executable, "-m", "app.cli", "study", "run", str(tmp_path / "study.yaml"), "--wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stdout is not None
        assert waiting.stdout.readline().startswith("Study 1 is queued")
        waiting.send_signal(signal.SIGINT)
        assert waiting.wait(10) == 130
    exported = CliRunner().invoke(app, ["export", "1", "--format", "yaml"])
    assert (exported.exit_code, "name: Small" in exported.stdout) == (0, True)
