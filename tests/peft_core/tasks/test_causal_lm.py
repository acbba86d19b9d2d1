"""Language modelling: every token but the first is predicted, and nothing else counts."""

import math
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerBase

from peft_core.data import Item, Row
from peft_core.errors import InvalidBaseModel, InvalidDataset, NotOffered
from peft_core.model_shape import ModelShape
from peft_core.spec import Columns
from peft_core.tasks import _language
from peft_core.tasks._language import NOT_PREDICTED, Continuation
from peft_core.tasks.causal_lm import CausalLM
from tests.peft_core.tasks.conftest import Following, MakeTask, byte_tokenizer, text_of

COLUMNS = Columns(text="text")
CONTENT = "text\n" + "".join(f"line {index}\n" for index in range(12))
BEGIN, END = 1, 2
ITEMS = [Item(0, (1, 3, 2), Continuation(1)), Item(1, (1, 2), Continuation(1))]

HALF, QUARTER = [0.0, 0.0, 0.0, -1e9], [-1e9, 0.0, 0.0, 0.0]
TABLE = [HALF, [-1e9, -1e9, 0.0, math.log(3)], HALF, [0.0, 0.0, 0.0, 0.0]]
"""After token 1 come 2 and 3 with probabilities 1/4 and 3/4, after 3 all four alike."""


def test_a_text_stands_between_the_tokens_for_beginning_and_end(
    make_task: MakeTask, bytewise: PreTrainedTokenizerBase
) -> None:
    task = make_task("causal_lm", CONTENT, COLUMNS)
    rows = [Row(0, "abc"), Row(1, "猫")]
    whole, cut = (CausalLM.tokenise(rows, task, bytewise, length) for length in (16, 3))
    assert [(item.tokens[0], item.tokens[-1], len(item.tokens)) for item in whole] == [(BEGIN, END, 5), (BEGIN, END, 5)]
    assert text_of(bytewise, whole[1].tokens, special=False) == "猫"
    assert text_of(bytewise, cut[0].tokens, special=False) == "ab"
    assert all(item.target == Continuation(1) for item in whole)


def test_the_end_stands_for_a_beginning_that_the_base_does_not_have(make_task: MakeTask) -> None:
    (item,) = CausalLM.tokenise([Row(0, "a")], make_task("causal_lm", CONTENT, COLUMNS), byte_tokenizer(), 16)
    assert (item.tokens[0], item.tokens[-1], len(item.tokens)) == (END, END, 3)


def test_a_text_with_nothing_to_predict_is_refused(make_task: MakeTask) -> None:
    bare = byte_tokenizer()
    bare.eos_token = None
    with pytest.raises(InvalidDataset, match="'a' has no token to predict"):
        CausalLM.tokenise([Row(0, "a")], make_task("causal_lm", CONTENT, COLUMNS), bare, 16)


def test_a_batch_predicts_all_but_the_first_token_and_padding() -> None:
    batch = CausalLM.collate(ITEMS, 0)
    assert batch["input_ids"].tolist() == [[1, 3, 2], [1, 2, 0]]
    assert batch["labels"].tolist() == [[NOT_PREDICTED, 3, 2], [NOT_PREDICTED, 2, NOT_PREDICTED]]
    assert CausalLM.loss_weight(batch) == 3


@pytest.mark.parametrize("virtual", [0, 4])
def test_the_loss_is_all_nats_over_all_predicted_tokens(virtual: int) -> None:
    model, batch = Following(TABLE, virtual), CausalLM.collate(ITEMS, 0)
    # 3 after 1: ln 4/3. 2 after 3: ln 4. 2 after 1: ln 4.
    assert CausalLM.loss(model, batch).item() == pytest.approx((math.log(4 / 3) + 2 * math.log(4)) / 3)
    assert CausalLM.answers(model, batch) == pytest.approx([math.log(4 / 3) + math.log(4), math.log(4)])
    assert CausalLM.logits(model, batch).shape == (2, 3, 4)


def test_answers_do_not_depend_on_how_much_fits_a_forward_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = Following(TABLE), CausalLM.collate(ITEMS, 0)
    whole = CausalLM.answers(model, batch)
    monkeypatch.setattr(_language, "MOST_LOGITS", 1)
    assert CausalLM.answers(model, batch) == whole


def test_the_mean_score_is_the_mean_token_loss_whatever_the_lengths() -> None:
    nats = [math.log(4 / 3) + math.log(4), math.log(4)]
    scores = CausalLM.scores(ITEMS, nats)
    assert sum(scores) / 2 == pytest.approx(sum(nats) / 3)
    assert scores[1] == pytest.approx(math.log(4) / 1.5)


def test_the_untuned_base_is_asked_itself(make_task: MakeTask) -> None:
    assert CausalLM.untuned_answers(ITEMS, ITEMS) is None
    assert CausalLM.show(1.38629, make_task("causal_lm", CONTENT, COLUMNS)) == "1.386 nats"


def test_an_encoder_is_refused(bert_shape: ModelShape, llama_shape: ModelShape) -> None:
    CausalLM.check(llama_shape)
    with pytest.raises(NotOffered, match="needs a decoder, which predicts each next token, and a bert model is none"):
        CausalLM.check(bert_shape)


def test_a_folder_without_its_output_layer_is_refused(make_task: MakeTask, tmp_path: Path) -> None:
    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1}
    config = AutoConfig.for_model("llama", vocab_size=16, tie_word_embeddings=False, **sizes)
    AutoModelForCausalLM.from_config(config).model.save_pretrained(tmp_path / "headless")  # type: ignore[no-untyped-call]
    with pytest.raises(InvalidBaseModel, match=r"lacks lm_head.weight, so that it cannot predict tokens"):
        CausalLM.load_model(make_task("causal_lm", CONTENT, COLUMNS), str(tmp_path / "headless"))


def test_a_column_of_labels_is_not_read(make_task: MakeTask) -> None:
    content = "text,label\n" + "".join(f"line {index},\n" for index in range(12))
    assert make_task("causal_lm", content, COLUMNS).labels == ()


def test_losses_are_taken_in_float32() -> None:
    model = Following(TABLE)
    model.table = model.table.to(torch.bfloat16)
    loss = CausalLM.loss(model, CausalLM.collate([ITEMS[1]], 0))
    assert loss.dtype == torch.float32
