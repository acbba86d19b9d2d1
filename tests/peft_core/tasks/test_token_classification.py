"""Token classification: a tag for each word, asked at its first piece."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedTokenizerBase

from peft_core.data import Item, Row, read_rows
from peft_core.errors import InvalidDataset, NotOffered
from peft_core.model_shape import ModelShape
from peft_core.spec import Columns
from peft_core.splits import without_duplicates
from peft_core.tasks.token_classification import NOT_ASKED, Tagging, TokenClassification
from tests.peft_core.tasks.conftest import CAT, CLS, DOG, PAD, SAT, SEP, THE, UNK, Answers, MakeTask, S

COLUMNS = Columns(text="words", label="tags")
CONTENT = "words,tags\n" + "".join(f"the {letter},O B\n" for letter in "abcdefghijkl")
ITEMS = [
    Item(0, (CLS, THE, CAT, S, SEP), Tagging(tags=(1, 0), positions=(1, 2))),
    Item(1, (CLS, DOG, SEP), Tagging(tags=(0,), positions=(1,))),
]


def sentence(*words: str, tags: str) -> Row:
    return Row(0, "", words=words, tags=tuple(tags.split()))


def test_words_are_separated_by_white_space_or_listed(tmp_path: Path) -> None:
    table, lines = tmp_path / "data.csv", tmp_path / "data.jsonl"
    table.write_text("words,tags\nthe  cat,O B\ndog,O\n")
    listed = [{"words": ["the", "cat"], "tags": ["O", "B"]}, {"words": ["dog"], "tags": ["O"]}]
    lines.write_text("".join(json.dumps(line) + "\n" for line in listed))
    expected = [
        Row(0, "", words=("the", "cat"), tags=("O", "B")),
        Row(1, "", words=("dog",), tags=("O",)),
    ]
    for path in (table, lines):
        assert read_rows(path, kind=TokenClassification, columns=COLUMNS) == expected
    assert TokenClassification.labels(expected, COLUMNS) == ("B", "O")


def test_tags_may_be_numbers_and_a_word_may_hold_a_space(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(
        '{"words": ["New York", "北京"], "tags": [1, 1]}\n{"words": ["is"], "tags": [0]}\n', encoding="utf-8"
    )
    rows = read_rows(path, kind=TokenClassification, columns=COLUMNS)
    assert rows[0].words == ("New York", "北京")
    assert rows[0].tags == ("1", "1")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ({"words": ["a", "b"], "tags": ["O"]}, "line 2: column 'words' has 2 words and column 'tags' 1 tags"),
        ({"words": [], "tags": []}, "line 2: column 'words' is an empty list"),
        ({"words": ["a", " "], "tags": ["O", "O"]}, "line 2: column 'words' has nothing at place 2"),
        ({"words": ["a", None], "tags": ["O", "O"]}, "line 2: column 'words' has nothing at place 2"),
        ({"words": ["a", ["b"]], "tags": ["O", "O"]}, "line 2: column 'words' holds a list of more than plain values"),
        ({"words": ["a", 1], "tags": ["O", "O"]}, "line 2: column 'words' holds a list of more than plain values"),
        ({"words": "a b", "tags": "O O"}, "line 2: column 'words' holds text here and a list in line 1"),
    ],
)
def test_a_bad_sentence_is_named(tmp_path: Path, line: object, said: str) -> None:
    path = tmp_path / "data.jsonl"
    path.write_text(f'{{"words": ["the"], "tags": ["B"]}}\n{json.dumps(line)}\n')
    with pytest.raises(InvalidDataset, match=said):
        read_rows(path, kind=TokenClassification, columns=COLUMNS)


def test_sentences_are_the_same_where_their_words_are() -> None:
    rows = [sentence("a", "b", tags="O O"), sentence("A", "b", tags="B O"), sentence("a b", tags="O")]
    assert len(without_duplicates(rows)) == 2


def test_a_word_is_asked_at_its_first_piece(make_task: MakeTask, word_pieces: PreTrainedTokenizerBase) -> None:
    task = make_task("token_classification", CONTENT, COLUMNS)
    rows = [sentence("the", "cats", "sat", tags="O B O")]
    (whole,), (cut,) = (TokenClassification.tokenise(rows, task, word_pieces, length) for length in (16, 5))
    assert whole == Item(0, (CLS, THE, CAT, S, SAT, SEP), Tagging((1, 0, 1), (1, 2, 4)))
    assert cut == Item(0, (CLS, THE, CAT, S, SEP), Tagging((1, 0, 1), (1, 2, None)))


def test_words_are_found_whatever_a_tokenizer_makes_of_them(
    make_task: MakeTask, word_pieces: PreTrainedTokenizerBase, bytewise: PreTrainedTokenizerBase
) -> None:
    task = make_task("token_classification", CONTENT, COLUMNS)
    (item,) = TokenClassification.tokenise([sentence("the", "猫", "a", tags="O B O")], task, bytewise, 64)
    # t h e, a space, three bytes of one character, a space, a.
    assert item.target.positions == (0, 4, 8)
    (item,) = TokenClassification.tokenise([sentence("the", "\u200b", "cat", tags="O B O")], task, word_pieces, 64)
    assert item.target.positions == (1, None, 2)
    (item,) = TokenClassification.tokenise([sentence("the cat", "zebra", tags="O B")], task, word_pieces, 64)
    assert (item.tokens, item.target.positions) == ((CLS, THE, CAT, UNK, SEP), (1, 3))


def test_a_sentence_without_a_question_is_refused(make_task: MakeTask, word_pieces: PreTrainedTokenizerBase) -> None:
    task = make_task("token_classification", CONTENT, COLUMNS)
    with pytest.raises(InvalidDataset, match="No word of the sentence that begins"):
        TokenClassification.tokenise([sentence("\u200b", tags="O")], task, word_pieces, 64)


def test_only_first_pieces_have_a_label() -> None:
    batch = TokenClassification.collate(ITEMS, PAD)
    no = NOT_ASKED
    assert batch["labels"].tolist() == [[no, 1, 0, no, no], [no, 0, no, no, no]]
    assert batch["input_ids"].shape == (2, 5)
    assert TokenClassification.loss_weight(batch) == 3


def positions(virtual: int) -> torch.Tensor:
    """Logits of two tags: (0, ln 3) at the asked positions; at all others what would give a huge loss."""
    logits = torch.full((2, virtual + 5, 2), 1e4)
    logits[..., 1] = -1e4
    for row, position in ((0, 1), (0, 2), (1, 1)):
        logits[row, virtual + position] = torch.tensor([0.0, math.log(3)])
    return logits


@pytest.mark.parametrize("virtual", [0, 3])
def test_the_loss_is_the_mean_over_words(virtual: int) -> None:
    batch = TokenClassification.collate(ITEMS, PAD)
    # Tags 1, 0, 0 at probabilities 3/4, 1/4, 1/4.
    expected = (math.log(4 / 3) + 2 * math.log(4)) / 3
    assert TokenClassification.loss(Answers(positions(virtual)), batch).item() == pytest.approx(expected)
    assert TokenClassification.answers(Answers(positions(virtual)), batch) == [[1, 1], [1]]


def test_a_word_that_was_cut_off_counts_as_wrong(make_task: MakeTask) -> None:
    task = make_task("token_classification", CONTENT, COLUMNS)
    items = [Item(0, (CLS, THE, SEP), Tagging((1, 0), (1, None))), ITEMS[1]]
    answers = TokenClassification.read_answers(items, [[1], [1]])
    assert answers == [[1, None], [1]]
    assert TokenClassification.scores(items, answers) == (0.5, 0.0)
    assert TokenClassification.decisions(items, answers) == [(1, 1), (0, None), (0, 1)]
    assert [TokenClassification.show(answer, task) for answer in answers] == ["O –", "O"]


def test_the_untuned_answer_is_the_most_frequent_tag_of_the_training_words() -> None:
    train = [Item(0, (), Tagging((1, 1, 0), (1, 2, 3))), Item(1, (), Tagging((0,), (None,)))]
    assert TokenClassification.untuned_answers(train, ITEMS) == [[0, 0], [0]]


def test_a_base_without_the_head_is_refused(bert_shape: ModelShape, llama_shape: ModelShape) -> None:
    TokenClassification.check(bert_shape)
    TokenClassification.check(llama_shape)
    with pytest.raises(NotOffered, match="not offered for opt models"):
        TokenClassification.check(replace(bert_shape, model_type="opt"))
