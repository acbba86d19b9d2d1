"""What we did not write: known vulnerabilities, licences, and every exception from bandit's rules with its reason."""

import json
import re
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from tests import licences
from tests.audit import EXCUSES, Answer, Excuse, Finding, read_answer, read_excuses, verdict
from tests.dependencies import ROOT, pins

TODAY = date(2026, 11, 1)
EXPLAINED = re.compile(r"# nosec B\d{3}(?:, B\d{3})*  # \S.{7,}")
"""The rules that a line is excused from, and a reason."""

FINDING = Finding("starlette", "1.0.0", ("PYSEC-2026-7", "CVE-2026-1"), ("1.0.1",))
ASKED = Answer(findings=(), asked=("dash", "starlette"), not_asked=())
FOUND = Answer(findings=(FINDING,), asked=("dash", "starlette"), not_asked=())


def unexplained(source: str) -> list[str]:
    """The lines that are excused without a rule and a reason."""
    return [line.strip() for line in source.splitlines() if "nosec" in line and not EXPLAINED.search(line)]


def bandit(folder: Path, *targets: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bandit", "--quiet", "-c", "pyproject.toml", "-r", *targets]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


# -- bandit ----------------------------------------------------------------------------------------------------------


def test_every_excused_line_names_the_rule_and_the_reason() -> None:
    sources = [path for package in ("app", "peft_core") for path in (ROOT / package).rglob("*.py")]
    assert [line for path in sources for line in unexplained(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize(
    "line", ["run(command)  # nosec", "run(command)  # nosec B603", "run(command)  #nosec B603 why"]
)
def test_an_unexplained_excuse_is_found(line: str) -> None:
    assert unexplained(line) == [line]


def test_every_rule_that_is_left_out_has_its_reason_beside_it() -> None:
    table = (ROOT / "pyproject.toml").read_text(encoding="utf-8").partition("[tool.bandit]")[2].partition("\n[")[0]
    rules = [line for line in table.splitlines() if re.match(r'\s+"B\d{3}"', line)]
    assert rules
    assert [line for line in rules if not re.search(r'"B\d{3}",  # \S.{20,}', line)] == []


def test_bandit_reads_our_rules_and_finds_what_is_planted(tmp_path: Path) -> None:
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    planted = tmp_path / "planted"
    planted.mkdir()
    (planted / "asserts.py").write_text("assert True\n")
    assert bandit(tmp_path, "planted").returncode == 0
    (planted / "runs.py").write_text("import subprocess\nsubprocess.run('ls', shell=True)\n")
    found = bandit(tmp_path, "planted")
    assert found.returncode == 1
    assert "B602" in found.stdout


# -- known vulnerabilities -------------------------------------------------------------------------------------------


def test_pip_audits_report_is_read() -> None:
    report = {
        "dependencies": [
            {
                "name": "starlette",
                "version": "1.0.0",
                "vulns": [
                    {"id": "PYSEC-2026-7", "aliases": ["CVE-2026-1"], "fix_versions": ["1.0.1"], "description": "..."}
                ],
            },
            {"name": "dash", "version": "4.4.1", "vulns": []},
            {"name": "torch", "skip_reason": "Dependency not found: torch (2.13.0)"},
        ],
        "fixes": [],
    }
    assert read_answer(json.dumps(report)) == Answer((FINDING,), ("starlette", "dash"), ("torch",))


@pytest.mark.parametrize("text", ["", "Traceback", "{}"])
def test_without_a_report_there_is_no_answer(text: str) -> None:
    assert read_answer(text) is None


@pytest.mark.parametrize("answer", [None, Answer((), (), ("dash",))])
def test_no_answer_is_said_and_fails_only_where_one_is_required(answer: Answer | None) -> None:
    status, told = verdict(answer, [], TODAY, required=False)
    assert status == 0
    assert "could not ask" in told
    assert "no known vulnerability" not in told
    assert verdict(answer, [], TODAY, required=True)[0] == 1


def test_packages_that_nobody_was_asked_about_are_named() -> None:
    some = Answer((), ("dash",), ("torch",))
    status, told = verdict(some, [], TODAY, required=False)
    assert (status, "torch" in told) == (0, True)
    assert verdict(some, [], TODAY, required=True)[0] == 1


def test_a_known_vulnerability_fails_and_says_what_mends_it() -> None:
    status, told = verdict(FOUND, [], TODAY, required=False)
    assert status == 1
    assert "starlette 1.0.0" in told
    assert "mended in 1.0.1" in told


def test_without_one_all_is_well() -> None:
    assert verdict(ASKED, [], TODAY, required=True) == (0, "pip-audit: no known vulnerability in 2 packages.")


@pytest.mark.parametrize("name", ["PYSEC-2026-7", "CVE-2026-1"])
def test_an_excuse_holds_until_its_day(name: str) -> None:
    excuse = Excuse(name, "we never parse what it is about", TODAY)
    assert verdict(FOUND, [excuse], TODAY, required=True)[0] == 0
    assert verdict(FOUND, [excuse], date(2026, 11, 2), required=True)[0] == 1


def test_an_excuse_needs_a_reason_and_a_day() -> None:
    assert verdict(FOUND, [Excuse("CVE-2026-1", " ", TODAY)], TODAY, required=True)[0] == 1
    with pytest.raises(TypeError):
        read_excuses('[[excuse]]\nid = "CVE-2026-1"\nreason = "none yet"')


def test_our_excuses_can_be_read() -> None:
    excuses = read_excuses(EXCUSES.read_text(encoding="utf-8"))
    assert all(entry.reason.strip() and isinstance(entry.until, date) for entry in excuses)


# -- licences --------------------------------------------------------------------------------------------------------


def test_the_page_lists_what_is_pinned() -> None:
    assert {name: version for name, (version, _) in licences.listed().items()} == pins()


def test_every_licence_is_permissive_or_has_its_reason() -> None:
    allowed = licences.PERMISSIVE | licences.COPYLEFT.keys()
    foreign = {name: licence for name, (_, licence) in licences.listed().items() if licences.parts(licence) - allowed}
    assert foreign == {}


def test_every_reason_is_still_needed() -> None:
    named = {part for _, licence in licences.listed().values() for part in licences.parts(licence)}
    assert licences.COPYLEFT.keys() <= named


def test_the_page_says_what_the_packages_say() -> None:
    stated = licences.stated_licences()
    said = {name: licence for name, (_, licence) in licences.listed().items() if name in stated}
    assert said == {name: stated[name] for name in said}
    assert "dash" in said
