"""Trainable tokens: which rows of the token table move, with the head and where an output layer shares the table."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification

from peft_core.errors import InvalidHyperparameter, NotOffered
from peft_core.method import build_method
from peft_core.model_shape import ModelShape, read_model_shape
from peft_core.training import split_head

TOKENS = torch.tensor([[2, 17, 30, 41, 3]])


def load(kind: Any, folder: Path) -> Any:
    torch.manual_seed(1)
    return kind.from_pretrained(str(folder), attn_implementation="eager", dtype=torch.float32).eval()


def check(hyperparameters: dict[str, Any], shape: ModelShape) -> None:
    build_method("trainable_tokens", hyperparameters).check(shape, task_kind="classification", max_length=16)


def test_only_the_chosen_rows_and_the_head_train(small_base: Callable[[str], Path]) -> None:
    folder = small_base("bert")
    method = build_method("trainable_tokens", {"tokens": "41, 17,17"})
    model: Any = method.attach(
        load(AutoModelForSequenceClassification, folder), task_kind="classification", total_steps=1
    )
    adapter, head = split_head(model)
    assert (
        sum(parameter.numel() for parameter in adapter)
        == 2 * 64
        == method.trainable_parameters(read_model_shape(folder))
    )
    assert sum(parameter.numel() for parameter in head) == 2 * 64 + 2
    with torch.no_grad():
        adapter[0].copy_(torch.arange(128.0).view(2, 64))
    embedded = model.get_input_embeddings()(TOKENS)[0]
    table = load(AutoModelForSequenceClassification, folder).get_input_embeddings().weight
    expected = table[TOKENS[0]].clone()
    expected[1], expected[3] = torch.arange(64.0), torch.arange(64.0, 128.0)  # Tokens 17 and 41, in this order.
    assert torch.equal(embedded, expected)


def test_a_shared_output_layer_speaks_with_the_trained_rows(small_decoder: Path) -> None:
    """Tied: the logit of a trained token is its new row times the hidden state."""
    method = build_method("trainable_tokens", {"tokens": "41"})
    model: Any = method.attach(load(AutoModelForCausalLM, small_decoder), task_kind="causal_lm", total_steps=1)
    adapter, _ = split_head(model)
    with torch.no_grad():
        adapter[0].fill_(0.5)
        answer = model(input_ids=TOKENS, output_hidden_states=True)
    hidden = answer.hidden_states[-1]
    assert torch.allclose(answer.logits[..., 41], 0.5 * hidden.sum(dim=-1), atol=1e-5)


def test_merged_the_rows_lie_in_the_table(small_base: Callable[[str], Path]) -> None:
    method = build_method("trainable_tokens", {"tokens": "17"})
    model: Any = method.attach(
        load(AutoModelForSequenceClassification, small_base("bert")), task_kind="classification", total_steps=1
    )
    adapter, _ = split_head(model)
    with torch.no_grad():
        adapter[0].fill_(0.5)
    merged: Any = method.merge(model)
    assert torch.equal(merged.get_input_embeddings().weight[17], torch.full((64,), 0.5))


def test_special_tokens_are_the_base_s_own(small_base: Callable[[str], Path], minilm: Path) -> None:
    method = build_method("trainable_tokens", {})
    base = load(AutoModelForSequenceClassification, minilm)
    model: Any = method.attach(base, task_kind="classification", total_steps=1)
    assert model.peft_config["default"].token_indices == [101, 102]
    assert method.trainable_parameters(read_model_shape(minilm)) == 2 * 384
    assert method.trainable_parameters(read_model_shape(small_base("llama"))) == 2 * 64


@pytest.mark.parametrize("tokens", ["", "CLS", "1,,2", "-1", "1.5"])
def test_what_is_no_list_of_ids_is_refused(tokens: str, small_base: Callable[[str], Path]) -> None:
    with pytest.raises(InvalidHyperparameter, match="token ids with commas between them"):
        check({"tokens": tokens}, read_model_shape(small_base("bert")))


def test_an_id_beyond_the_vocabulary_is_refused(small_base: Callable[[str], Path]) -> None:
    shape = read_model_shape(small_base("bert"))
    check({"tokens": "99"}, shape)
    with pytest.raises(InvalidHyperparameter, match="tokens end at 99"):
        check({"tokens": "5, 100"}, shape)


def test_a_base_that_names_no_special_tokens_is_asked_for_ids() -> None:
    shape = ModelShape("bert", 8, 1, 1, 8, 8, 100, 10, {"embeddings.word_embeddings.weight": (100, 8)})
    check({"tokens": "5"}, shape)
    with pytest.raises(NotOffered, match="Write the ids of the tokens"):
        check({}, shape)
