"""The suite's own rules: a required test cannot be skipped, and the browser is a real one."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CONFTEST = Path(__file__).with_name("conftest.py")
SKIPPED_TEST = """
import pytest

@pytest.mark.browser
def test_page():
    pytest.skip("no browser today")

@pytest.mark.gpu
def test_device():
    pytest.skip("no device today")
"""


def run_suite(folder: Path, required: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(CONFTEST, folder)
    (folder / "test_skipped.py").write_text(SKIPPED_TEST)
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    browser: x\n    gpu: x\n")
    environment = os.environ | {"PEFT_ATLAS_TESTS_REQUIRE": required}
    command = [sys.executable, "-m", "pytest", "-p", "no:dash", "-p", "no:cacheprovider", "-rA"]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_skip_is_reported_and_passes(tmp_path: Path) -> None:
    done = run_suite(tmp_path, required="")
    assert done.returncode == 0
    assert "2 skipped" in done.stdout


def test_a_skip_of_a_required_kind_fails_with_its_reason(tmp_path: Path) -> None:
    done = run_suite(tmp_path, required="browser,postgres")
    assert done.returncode == 1
    assert "1 failed, 1 skipped" in done.stdout
    assert "no browser today" in done.stdout


def test_home_is_empty_and_alone(home: Path) -> None:
    assert list(home.iterdir()) == []
    assert {name for name in os.environ if name.startswith("PEFT_ATLAS_")} == {"PEFT_ATLAS_HOME"}


@pytest.mark.browser
def test_the_browser_runs_scripts(browser: "Browser") -> None:
    page = browser.new_page()
    page.set_content("<p id=sum></p><script>document.getElementById('sum').textContent = 20 + 22</script>")
    assert page.text_content("#sum") == "42"
    page.close()
