"""How fast a language model writes: exactly so many tokens are written, and a first token is not a further one."""

from pathlib import Path

import pytest

from peft_core import latency
from peft_core.metrics._writing import FURTHER_TOKENS, _seconds
from peft_core.metrics.seconds_per_token import SecondsPerToken
from peft_core.metrics.time_to_first_token import TimeToFirstToken
from peft_core.tasks.generation import Reference
from tests.peft_core.metrics.conftest import TrainedRun


@pytest.fixture(autouse=True)
def _few_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latency, "WARM_UP_CALLS", 1)
    monkeypatch.setattr(latency, "TIMED_CALLS", 4)


def answers(room: int) -> list[Reference]:
    return [Reference(start=4, reference="x", room=room, stop=(3,), most_tokens=8)] * 8


@pytest.mark.parametrize("tokens", [1, 5])
def test_every_token_is_one_pass_through_the_model_and_nothing_ends_it_sooner(
    trained: TrainedRun, small_decoder: Path, tokens: int
) -> None:
    run, passes = trained("lora", small_decoder, "generation", answers(room=20)), []
    run.deployed_model.register_forward_hook(lambda *_: passes.append(1))
    assert _seconds(run, run.test_items[0], tokens) > 0
    assert len(passes) == tokens


@pytest.mark.parametrize(("method", "merged"), [("lora", True), ("prefix_tuning", False), ("prompt_tuning", False)])
def test_both_are_measured_as_deployed(trained: TrainedRun, small_decoder: Path, method: str, merged: bool) -> None:
    run = trained(method, small_decoder, "generation", answers(room=1 + FURTHER_TOKENS))
    first, further = TimeToFirstToken().measure(run), SecondsPerToken().measure(run)
    assert first.value is not None
    assert first.value > 0
    assert first.detail == {"calls": 4, "merged": merged, "median_prompt_tokens": 4.0}
    assert further.detail == {"calls": 4, "merged": merged}


def test_without_room_for_a_second_token_there_is_no_time_of_one(trained: TrainedRun, small_decoder: Path) -> None:
    found = SecondsPerToken().measure(trained("lora", small_decoder, "generation", answers(room=1)))
    assert found.value is None
    assert "no room for a second token" in str(found.detail["missing"])
