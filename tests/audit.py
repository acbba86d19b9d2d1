"""Asks for known vulnerabilities of what requirements.lock pins: `make audit`, `python -m tests.audit`.

pip-audit ends well also when its index knew no package at all. Here an answer is an answer, and no answer is said to
be none: it fails only where PEFT_ATLAS_AUDIT_REQUIRED=1 asks for one, for a laptop may be offline.
"""

import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from tests.dependencies import ROOT

LOCK = ROOT / "requirements.lock"
EXCUSES = Path(__file__).with_name("advisories.toml")
SECONDS = 300


@dataclass(frozen=True)
class Finding:
    """One advisory about one pinned package."""

    package: str
    version: str
    names: tuple[str, ...]
    """Its id, and what else it is called."""
    mended_in: tuple[str, ...]

    def __str__(self) -> str:
        cure = f"mended in {', '.join(self.mended_in)}" if self.mended_in else "no mended version yet"
        return f"{self.package} {self.version}: {', '.join(self.names)}; {cure}"


@dataclass(frozen=True)
class Answer:
    """What pip-audit found, and the packages that it could ask nobody about."""

    findings: tuple[Finding, ...]
    asked: tuple[str, ...]
    not_asked: tuple[str, ...]


@dataclass(frozen=True)
class Excuse:
    """An advisory that we live with until a day, and why."""

    id: str
    reason: str
    until: date


def read_answer(text: str) -> Answer | None:
    """pip-audit's JSON; None where it wrote none, for it could not ask at all."""
    try:
        packages = json.loads(text)["dependencies"]
    except (ValueError, KeyError):
        return None
    findings = [
        Finding(found["name"], found["version"], (one["id"], *one["aliases"]), tuple(one["fix_versions"]))
        for found in packages
        for one in found.get("vulns", [])
    ]
    skipped = tuple(found["name"] for found in packages if "skip_reason" in found)
    asked = tuple(found["name"] for found in packages if "skip_reason" not in found)
    return Answer(tuple(findings), asked, skipped)


def read_excuses(text: str) -> list[Excuse]:
    """Every excuse of advisories.toml. Raises where one lacks its reason or its day."""
    return [Excuse(**entry) for entry in tomllib.loads(text).get("excuse", [])]


def unexcused(findings: Iterable[Finding], excuses: Iterable[Excuse], today: date) -> list[Finding]:
    """The findings that no excuse covers today."""
    excused = {entry.id for entry in excuses if entry.reason.strip() and today <= entry.until}
    return [finding for finding in findings if not excused & set(finding.names)]


def verdict(answer: Answer | None, excuses: Iterable[Excuse], today: date, *, required: bool) -> tuple[int, str]:
    """The exit status, and what to tell."""
    if answer is None or not answer.asked:
        return int(required), "pip-audit could not ask for known vulnerabilities: no index answered. Nothing is known."
    if left := unexcused(answer.findings, excuses, today):
        cure = "Move the pin, or excuse it in tests/advisories.toml with a reason and a day."
        return 1, "\n".join(["Known vulnerabilities:", *(f"  {finding}" for finding in left), cure])
    told = f"pip-audit: no known vulnerability in {len(answer.asked)} packages"
    if answer.not_asked:
        return int(required), f"{told}; it could not ask about {', '.join(answer.not_asked)}."
    return 0, f"{told}."


def ask(pins: list[str]) -> Answer | None:
    """pip-audit's answer about `name==version` lines."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder, "pins.txt")
        listed.write_text("\n".join(pins), encoding="utf-8")
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(listed), "--no-deps", "--disable-pip"]
        command += ["--format", "json", "--progress-spinner", "off"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired:
            return None
    return read_answer(done.stdout)


def main() -> int:
    pins = [line for line in LOCK.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    # One package first: where nobody answers for it, a hundred and fifty more need not be asked for.
    answer = ask(pins[:1])
    if answer is not None and answer.asked:
        answer = ask(pins)
    excuses = read_excuses(EXCUSES.read_text(encoding="utf-8"))
    required = os.environ.get("PEFT_ATLAS_AUDIT_REQUIRED") == "1"
    status, told = verdict(answer, excuses, datetime.now(UTC).date(), required=required)
    print(told)
    return status


if __name__ == "__main__":
    raise SystemExit(main())
