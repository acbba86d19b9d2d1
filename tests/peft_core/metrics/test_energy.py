"""Energy for every thousand real tokens, from counters as Linux writes them; what cannot be read is missing."""

from pathlib import Path

import pytest

from peft_core import energy
from peft_core.metrics.energy import Energy
from peft_core.run_state import RunInProgress
from peft_core.spec import Measurement
from peft_core.training import Step
from tests.peft_core.metrics.conftest import AnsweredRun


@pytest.fixture
def counters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(energy, "RAPL", tmp_path / "powercap")
    return tmp_path / "powercap"


def write(counters: Path, **microjoules: int) -> None:
    for name, value in microjoules.items():
        folder = counters / f"intel-rapl:{name.removeprefix('package').replace('_', ':')}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "energy_uj").write_text(f"{value}\n")


@pytest.fixture
def run(answered: AnsweredRun) -> RunInProgress:
    """Two steps of 300 and 200 real tokens."""
    made = answered("classification", [0, 1], [0, 1])
    made.steps = [Step(1, 0.7, 1.0, 1e-3, 0.1, 300), Step(2, 0.6, 1.0, 1e-3, 0.1, 200)]
    return made


def measured(counters: Path, run: RunInProgress, **microjoules: int) -> Measurement:
    recorder = Energy()
    recorder.before_training(run)
    write(counters, **microjoules)
    recorder.after_training(run)
    return recorder.measure(run)


def test_joules_of_all_packages_over_tokens(counters: Path, run: RunInProgress) -> None:
    # A package's own parts (0_0) are in its figure already: 8 J and 2 J for 500 tokens.
    write(counters, package0=1_000_000, package1=5_000_000, package0_0=700_000)
    found = measured(counters, run, package0=9_000_000, package1=7_000_000, package0_0=3_000_000)
    assert found.value == pytest.approx(20)
    assert found.detail == {"joules": pytest.approx(10), "tokens": 500}


def test_no_counter_or_one_that_began_again_is_missing(counters: Path, run: RunInProgress) -> None:
    assert measured(counters, run).value is None
    write(counters, package0=9_000_000)
    found = measured(counters, run, package0=2_000_000)
    assert found.value is None
    assert found.detail == {"missing": "this device's energy is not readable"}
