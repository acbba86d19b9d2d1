"""Forgetting: the base's own pretraining head is asked, before and after; without one nothing is claimed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from peft_core.metrics._masked_language import masked_language_head, masked_token_loss
from peft_core.metrics.forgetting import Forgetting
from peft_core.neutral_text import SENTENCES
from peft_core.tasks._language import Continuation
from tests.peft_core.methods.conftest import SIZES
from tests.peft_core.metrics.conftest import TrainedRun


def saved(folder: Path, minilm: Path, kind: Any, architecture: str) -> Path:
    """A small model of a kind with random weights, and MiniLM's tokenizer."""
    tokenizer = AutoTokenizer.from_pretrained(str(minilm))
    torch.manual_seed(0)
    config = AutoConfig.for_model(architecture, **SIZES | {"vocab_size": len(tokenizer)})
    kind.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def speaking(minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small encoder with its masked-language head."""
    return saved(tmp_path_factory.mktemp("speaking"), minilm, AutoModelForMaskedLM, "bert")


@pytest.fixture(scope="module")
def predicting(minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small language model."""
    return saved(tmp_path_factory.mktemp("predicting"), minilm, AutoModelForCausalLM, "llama")


def read(folder: Path, kind: Any) -> tuple[Any, Any]:
    return kind.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


def masked_loss(folder: Path) -> float:
    """Every token of every sentence masked once, a seventh of a sentence at a time; one sentence after the other."""
    model, tokenizer = read(folder, AutoModelForMaskedLM)
    losses: list[float] = []
    for sentence in SENTENCES:
        ids = tokenizer(sentence, truncation=True, max_length=64, return_tensors="pt")["input_ids"]
        for turn in range(7):
            asked = [place for place in range(1, ids.shape[1] - 1) if place % 7 == turn]
            masked = ids.clone()
            masked[0, asked] = tokenizer.mask_token_id
            with torch.no_grad():
                likely = model(masked).logits[0].log_softmax(-1)
            losses += [-likely[place, ids[0, place]].item() for place in asked]
    return sum(losses) / len(losses)


def next_token_loss(folder: Path) -> float:
    model, tokenizer = read(folder, AutoModelForCausalLM)
    losses: list[float] = []
    for sentence in SENTENCES:
        ids = tokenizer(sentence, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            likely = model(ids).logits[0, :-1].log_softmax(-1)
        losses += (-likely.gather(1, ids[0, 1:, None])).flatten().tolist()
    return sum(losses) / len(losses)


def test_the_base_loses_what_its_own_head_says(trained: TrainedRun, speaking: Path) -> None:
    run = trained("lora", speaking)
    head = masked_language_head(run)
    assert head is not None
    assert masked_token_loss(run.fresh_base(), head, run) == pytest.approx(masked_loss(speaking), abs=1e-4)


def test_a_language_model_loses_what_it_says_itself(trained: TrainedRun, predicting: Path) -> None:
    found = Forgetting().measure(trained("lora", predicting, "causal_lm", [Continuation(1)] * 8))
    assert found.detail["base_loss"] == pytest.approx(next_token_loss(predicting), abs=1e-4)
    assert found.value not in (None, 0)


@pytest.mark.parametrize("method", ["full", "prefix_tuning", "prompt_tuning"])
def test_it_is_the_rise_from_base_to_adapted_model(trained: TrainedRun, speaking: Path, method: str) -> None:
    run = trained(method, speaking)
    found = Forgetting().measure(run)
    base, adapted = found.detail["base_loss"], found.detail["adapted_loss"]
    assert isinstance(base, float)
    assert isinstance(adapted, float)
    assert found.value == adapted - base
    assert found.value != 0


def test_head_only_forgets_nothing(trained: TrainedRun, speaking: Path) -> None:
    assert Forgetting().measure(trained("head_only", speaking)).value == 0


def test_an_encoder_without_the_head_is_not_asked(trained: TrainedRun, small_base: Callable[[str], Path]) -> None:
    for architecture in ("bert", "llama"):
        found = Forgetting().measure(trained("lora", small_base(architecture)))
        assert found.value is None
        assert "no masked-language head" in str(found.detail["missing"])
