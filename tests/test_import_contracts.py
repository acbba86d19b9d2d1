"""The import arrows hold, and each of them would notice: a copy with a wrong import in it is refused."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.dependencies import ROOT

PLANTED = {
    "app/services/studies.py": "import app.api.studies",
    "app/ui/planted.py": "import app.services.studies\nimport peft_core.training",
    "app/worker/planted.py": "import app.ui",
    "app/planted.py": "",
    "peft_core/training.py": "import fastapi",
    "peft_core/compare/statistics.py": "import torch",
    "peft_core/methods/lora.py": "import peft_core.methods.adapter",
}
"""One line of each kind that a contract is there to refuse."""


def check_contracts(folder: Path) -> tuple[int, dict[str, str]]:
    """lint-imports' exit status, and KEPT or BROKEN by contract."""
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, dict(re.findall(r"^(\w.+?) (KEPT|BROKEN)", done.stdout, flags=re.MULTILINE))


def test_the_arrows_hold() -> None:
    status, contracts = check_contracts(ROOT)
    assert set(contracts.values()) == {"KEPT"}
    assert status == 0


def test_every_contract_notices_a_wrong_import(tmp_path: Path) -> None:
    shutil.copy(ROOT / ".importlinter", tmp_path)
    for package in ("app", "peft_core"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, line in PLANTED.items():
        with (tmp_path / name).open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
    status, contracts = check_contracts(tmp_path)
    assert status == 1
    assert set(contracts.values()) == {"BROKEN"}


@pytest.mark.parametrize(
    ("statement", "never_loaded"),
    [
        ("import app.main", {"torch", "transformers", "peft", "scipy"}),
        ("from peft_core.method import methods; methods()", {"torch", "transformers", "peft", "fastapi", "dash"}),
        ("from peft_core.metric import metrics; metrics()", {"torch", "transformers", "peft"}),
        ("from peft_core.scenario import scenarios; scenarios()", {"torch", "transformers", "peft"}),
    ],
)
def test_the_web_process_needs_no_torch(statement: str, never_loaded: set[str]) -> None:
    script = f"import sys; {statement}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert not never_loaded & set(loaded.split())
