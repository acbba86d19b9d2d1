"""Sequence classification: reading, cutting, the loss and the scores, worked out by hand."""

import math
from pathlib import Path

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerBase

from peft_core.data import Item, Row, read_rows
from peft_core.errors import InvalidDataset
from peft_core.spec import Columns
from peft_core.tasks._sequence import load_sequence_model
from peft_core.tasks.classification import Classification
from tests.peft_core.tasks.conftest import CAT, CLS, DOG, PAD, RAN, SAT, SEP, THE, Answers, MakeTask, S

COLUMNS = Columns(text="text", label="label")
CONTENT = "text,label\n" + "".join(f"the cat sat {i},{'ab'[i % 2]}\n" for i in range(12))
ITEMS = [Item(0, (CLS, THE, CAT, S, SEP), 1), Item(1, (CLS, DOG, SEP), 0)]


def test_a_number_and_a_word_can_be_a_class(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text('{"text": "one", "label": 1}\n{"text": "two", "label": 2.0}\n')
    rows = read_rows(path, kind=Classification, columns=COLUMNS)
    assert [row.label for row in rows] == ["1", "2"]
    path.write_text('{"text": "one", "label": true}\n{"text": "two", "label": false}\n')
    rows = read_rows(path, kind=Classification, columns=COLUMNS)
    assert Classification.labels(rows, COLUMNS) == ("false", "true")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"text": "two"}', "line 2, has no column 'label'"),
        ('{"text": "two", "label": null}', "line 2: column 'label' is empty. Fill it"),
        ('{"text": ["two"], "label": "b"}', "line 2: column 'text' holds a list here and text in line 1"),
        ('{"text": "two", "label": 2}', "line 2: column 'label' holds a number here and text in line 1"),
        ('{"text": {"a": 1}, "label": "b"}', "line 2: column 'text' holds an object"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(f'{{"text": "one", "label": "a"}}\n{line}\n')
    with pytest.raises(InvalidDataset, match=said):
        read_rows(path, kind=Classification, columns=COLUMNS)


def test_a_long_text_keeps_its_beginning_and_its_ends(
    make_task: MakeTask, word_pieces: PreTrainedTokenizerBase
) -> None:
    task = make_task("classification", CONTENT, COLUMNS)
    rows = [Row(0, "the cats sat", "b"), Row(1, "dog", "a")]
    whole, cut = (Classification.tokenise(rows, task, word_pieces, length) for length in (16, 4))
    assert whole == [Item(0, (CLS, THE, CAT, S, SAT, SEP), 1), Item(1, (CLS, DOG, SEP), 0)]
    assert [item.tokens for item in cut] == [(CLS, THE, CAT, SEP), (CLS, DOG, SEP)]


def test_a_batch_is_padded_to_its_longest_item() -> None:
    batch = Classification.collate(ITEMS, PAD)
    assert batch["input_ids"].tolist() == [[CLS, THE, CAT, S, SEP], [CLS, DOG, SEP, PAD, PAD]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert batch["labels"].tolist() == [1, 0]
    assert "token_type_ids" not in batch
    assert Classification.loss_weight(batch) == 2


def test_batches_have_few_lengths_and_none_beyond_the_budget_s(
    make_task: MakeTask, word_pieces: PreTrainedTokenizerBase
) -> None:
    task = make_task("classification", CONTENT, COLUMNS)
    rows = [Row(index, " ".join(["cat"] * words), "b") for index, words in enumerate((1, 5, 7, 40))]
    items = Classification.tokenise(rows, task, word_pieces, 20)
    lengths = [Classification.collate([item], PAD)["input_ids"].shape[1] for item in items]
    assert lengths == [8, 8, 16, 20]
    assert [len(item.tokens) for item in items] == [3, 7, 9, 20]


def test_the_loss_is_the_mean_over_items() -> None:
    # Softmax of (0, ln 3) is (1/4, 3/4), of (0, 0) it is (1/2, 1/2).
    model, batch = Answers([[0, math.log(3)], [0, 0]]), Classification.collate(ITEMS, PAD)
    assert Classification.loss(model, batch).item() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)


def test_the_loss_is_taken_in_float32() -> None:
    model = Answers(torch.tensor([[8.0, 8.0625], [0, 0]], dtype=torch.bfloat16))
    loss = Classification.loss(model, Classification.collate(ITEMS, PAD))
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx((math.log(1 + math.exp(-0.0625)) + math.log(2)) / 2)


def test_padding_is_what_the_model_takes_for_padding() -> None:
    model = Answers([[0.0, 1.0], [1.0, 0.0]], pad_token_id=9)
    assert Classification.answers(model, Classification.collate(ITEMS, PAD)) == [1, 0]
    assert model.read["input_ids"].tolist() == [[CLS, THE, CAT, S, SEP], [CLS, DOG, SEP, 9, 9]]


@pytest.mark.parametrize(("ends", "padding"), [(2, 2), ([5, 2], 5), (None, 0)])
def test_a_decoder_without_padding_never_skips_a_token_of_a_text(
    tmp_path: Path, ends: int | list[int] | None, padding: int
) -> None:
    sizes = {"n_embd": 8, "n_layer": 1, "n_head": 1, "n_positions": 16, "vocab_size": 16}
    config = AutoConfig.for_model("gpt2", **sizes, bos_token_id=1, eos_token_id=ends)
    AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)  # type: ignore[no-untyped-call]
    model = load_sequence_model(str(tmp_path), num_labels=2)
    assert model.config.pad_token_id == padding  # type: ignore[union-attr]


def test_the_untuned_answer_is_the_majority_and_the_lowest_class_wins_a_tie() -> None:
    train = [Item(index, (CLS,), target) for index, target in enumerate((2, 1, 1, 2, 0))]
    assert Classification.untuned_answers(train, ITEMS) == [1, 1]


def test_an_item_scores_one_for_its_own_class(make_task: MakeTask) -> None:
    task = make_task("classification", CONTENT, COLUMNS)
    assert Classification.scores(ITEMS, [1, 1]) == (1.0, 0.0)
    assert Classification.decisions(ITEMS, [1, 1]) == [(1, 1), (0, 1)]
    assert [Classification.show(answer, task) for answer in (0, 1)] == ["a", "b"]


def test_a_column_may_be_named_for_one_thing_only(tmp_path: Path) -> None:
    with pytest.raises(InvalidDataset, match="Column 'text' is named for two things"):
        read_rows(tmp_path, kind=Classification, columns=Columns(text="text", label="text"))
    with pytest.raises(InvalidDataset, match="needs a label column"):
        read_rows(tmp_path, kind=Classification, columns=Columns(text="text"))


def test_cutting_never_leaves_an_item_longer_than_the_budget(
    make_task: MakeTask, word_pieces: PreTrainedTokenizerBase
) -> None:
    task = make_task("classification", CONTENT, COLUMNS)
    rows = [Row(index, " ".join(["ran"] * index), "a") for index in range(1, 20)]
    for length in (4, 9, 16):
        items = Classification.tokenise(rows, task, word_pieces, length)
        assert [len(item.tokens) for item in items] == [min(index + 2, length) for index in range(1, 20)]
        assert all(item.tokens[-1] == SEP and RAN in item.tokens for item in items)
