"""The two commands, in a copy of what they read: which Python they take, what is done once, what they pass on."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dependencies import ROOT

READ_BY_MAKE = ("Makefile", "pyproject.toml", "requirements.lock")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what the Makefile reads and no environment."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in READ_BY_MAKE:
        shutil.copy(ROOT / name, folder)
    return folder


def make(checkout: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Make's answer; nothing of a make that this test runs under reaches it."""
    inherited = {name: value for name, value in os.environ.items() if name not in {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}}
    settings = {name: value for name, value in inherited.items() if name not in {"HOST", "PORT", "PYTHON"}}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(
        command, cwd=checkout, env=settings | environment, capture_output=True, text=True, check=False
    )


def put_program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def stamp(checkout: Path) -> Path:
    """The file whose presence says that setup is done."""
    (name,) = set(re.findall(r"\.venv/installed-\d+", make(checkout, "-n", "setup").stdout))
    return checkout / str(name)


def test_without_a_suitable_python_it_says_what_to_install(checkout: Path) -> None:
    done = make(checkout, "setup", "PYTHON=")
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(said) == 1
    assert "needs Python 3.11, 3.12 or 3.13" in said[0]
    assert not (checkout / ".venv").exists()


def test_it_passes_by_a_python_that_is_too_old_and_a_shim_that_fails(checkout: Path, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    put_program(programs, "python3", "exit 1")
    put_program(programs, "python3.13", "echo 'command not found' >&2; exit 127")
    put_program(programs, "python3.12", f'exec "{sys.executable}" "$@"')
    done = make(checkout, "-n", "setup", PATH=f"{programs}{os.pathsep}{os.environ['PATH']}")
    assert 'python="python3.12"' in done.stdout


def test_setup_is_done_once_until_a_pin_changes(checkout: Path) -> None:
    installed = stamp(checkout)
    installed.parent.mkdir()
    installed.touch()
    assert "pip install" not in make(checkout, "-n", "run").stdout
    with (checkout / "requirements.lock").open("a") as lock:
        lock.write("# changed\n")
    assert "pip install" in make(checkout, "-n", "run").stdout


def test_a_moved_checkout_is_set_up_again(checkout: Path) -> None:
    before = stamp(checkout).name
    assert stamp(checkout.rename(checkout.with_name("moved"))).name != before


def test_setup_installs_from_the_lock_and_fetches_the_assets(checkout: Path) -> None:
    steps = make(checkout, "-n", "setup").stdout
    assert "pip install --disable-pip-version-check -c requirements.lock -e '.[worker,dev]'" in steps
    assert "python -m peft_core.assets" in steps


@pytest.mark.parametrize(("arguments", "passed"), [((), "--all"), (("NAMES=movies smollm2",), "movies smollm2")])
def test_assets_fetches_what_is_named_or_everything(checkout: Path, arguments: tuple[str, ...], passed: str) -> None:
    command = make(checkout, "-n", "assets", *arguments).stdout.splitlines()[-1]
    assert command == f".venv/bin/python -m peft_core.assets {passed}"


@pytest.mark.parametrize(
    ("arguments", "environment", "passed"),
    [
        ((), {}, ""),
        (("PORT=8051",), {}, '--port "8051"'),
        ((), {"PORT": "8051"}, '--port "8051"'),
        (("HOST=::1", "PORT=8051"), {}, '--host "::1" --port "8051"'),
        ((), {"HOST": "my-laptop"}, ""),
    ],
)
def test_run_passes_address_and_port_on(
    checkout: Path, arguments: tuple[str, ...], environment: dict[str, str], passed: str
) -> None:
    command = make(checkout, "-n", "run", *arguments, **environment).stdout.splitlines()[-1]
    assert command.split() == ["exec", ".venv/bin/peft-atlas", "up", *passed.split()]


@pytest.mark.parametrize(("enabled", "offline"), [(None, "1"), ("0", "1"), ("false", "1"), ("1", "0"), ("true", "0")])
def test_no_model_hub_is_asked_unless_it_is_enabled(checkout: Path, enabled: str | None, offline: str) -> None:
    setting = {"PEFT_ATLAS_HUB_ENABLED": enabled} if enabled is not None else {}
    shown = make(checkout, "--eval", "show: ; @echo $$HF_HUB_OFFLINE", "show", HF_HUB_OFFLINE="", **setting)
    assert shown.stdout.strip() == offline


def test_only_the_tests_call_a_system_package_manager_and_say_so_first(checkout: Path) -> None:
    assert "apt-get" not in make(checkout, "-n", "run").stdout + make(checkout, "-n", "check").stdout
    steps = make(checkout, "-n", "test").stdout
    assert steps.index("installing the package chromium with apt-get") < steps.index("$apt install -y")


def test_test_runs_every_check_and_ends_with_pytest(checkout: Path) -> None:
    steps = make(checkout, "-n", "test").stdout
    places = [
        steps.index(tool)
        for tool in (
            "ruff check",
            "ruff format --check",
            "-m mypy",
            "lint-imports",
            "-m bandit",
            "-m pytest",
        )
    ]
    assert places == sorted(places)
    assert steps.splitlines()[-2:] == [
        '.venv/bin/python -m pytest -m "not slow and not browser"',
        '.venv/bin/python -m pytest -m "browser and not slow"',
    ]


def test_continuous_integration_runs_the_same_command_and_requires_the_browser(tmp_path: Path) -> None:
    (tmp_path / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", tmp_path / ".ci")
    (tmp_path / "Makefile").write_text("test:\n\t@echo requires $$PEFT_ATLAS_TESTS_REQUIRE; exit 7\n")
    done = subprocess.run([tmp_path / ".ci" / "run"], capture_output=True, text=True, check=False, cwd="/")
    assert "requires browser" in done.stdout
    assert done.returncode != 0


def test_the_readme_names_the_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^make ([a-z-]+) ", make(ROOT, "help").stdout, flags=re.MULTILINE)
    assert {"setup", "run", "test", "check"} <= set(listed)
    named = re.findall(r"(?:^|`)make ([a-z-]+)", readme, flags=re.MULTILINE)
    assert named
    assert set(named) <= set(listed)


def test_known_vulnerabilities_are_asked_for_by_check_alone(checkout: Path) -> None:
    assert "tests.audit" in make(checkout, "-n", "check").stdout
    assert "tests.audit" not in make(checkout, "-n", "test").stdout
