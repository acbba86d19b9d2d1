"""Sentence pairs: two texts read together, told apart, and cut without losing either."""

from pathlib import Path

import pytest
from transformers import PreTrainedTokenizerBase

from peft_core.data import Item, Row, read_rows
from peft_core.errors import InvalidDataset
from peft_core.spec import Columns
from peft_core.splits import without_duplicates
from peft_core.tasks.sentence_pair import SentencePair
from tests.peft_core.tasks.conftest import CAT, CLS, DOG, PAD, RAN, SAT, SEP, THE, A, MakeTask, S, text_of

COLUMNS = Columns(text="premise", pair="hypothesis", label="label")
CONTENT = "premise,hypothesis,label\n" + "".join(f"the cat {i},a dog {i},{['no', 'yes'][i % 2]}\n" for i in range(12))


def test_the_second_text_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("premise,hypothesis,label\nthe cat,a dog,yes\nthe dog,,no\n")
    with pytest.raises(InvalidDataset, match="line 3: column 'hypothesis' is empty"):
        read_rows(path, kind=SentencePair, columns=COLUMNS)
    with pytest.raises(InvalidDataset, match="needs a pair column: What it reads beside it"):
        read_rows(path, kind=SentencePair, columns=Columns(text="premise", label="label"))


def test_pairs_are_the_same_only_where_both_texts_are() -> None:
    rows = [
        Row(0, "a", "x", pair="b"),
        Row(1, "a", "x", pair="c"),
        Row(2, "A", "y", pair="B "),
        Row(3, "b", "x", pair="a"),
    ]
    assert [row.index for row in without_duplicates(rows)] == [0, 1, 3]


def test_segments_tell_the_texts_apart(make_task: MakeTask, word_pieces: PreTrainedTokenizerBase) -> None:
    task = make_task("sentence_pair", CONTENT, COLUMNS)
    items = SentencePair.tokenise(
        [Row(0, "the cats", "yes", pair="a dog ran"), Row(1, "cat", "no", pair="dog")], task, word_pieces, 16
    )
    assert items == [
        Item(0, (CLS, THE, CAT, S, SEP, A, DOG, RAN, SEP), 1, (0, 0, 0, 0, 0, 1, 1, 1, 1)),
        Item(1, (CLS, CAT, SEP, DOG, SEP), 0, (0, 0, 0, 1, 1)),
    ]
    batch = SentencePair.collate(items, PAD)
    assert batch["token_type_ids"].tolist() == [
        [0, 0, 0, 0, 0, 1, 1, 1, 1, *[0] * 7],
        [0, 0, 0, 1, 1, *[0] * 11],
    ]
    assert batch["attention_mask"].sum(dim=1).tolist() == [9, 5]


def test_the_longer_text_is_cut_first(make_task: MakeTask, word_pieces: PreTrainedTokenizerBase) -> None:
    task = make_task("sentence_pair", CONTENT, COLUMNS)
    row = Row(0, "the cat sat", "yes", pair="dog")
    (item,) = SentencePair.tokenise([row], task, word_pieces, 6)
    assert item.tokens == (CLS, THE, CAT, SEP, DOG, SEP)
    (item,) = SentencePair.tokenise([Row(0, "dog", "yes", pair="the cat sat")], task, word_pieces, 6)
    assert item.tokens == (CLS, DOG, SEP, THE, CAT, SEP)
    assert SAT not in item.tokens


def test_a_decoder_reads_the_texts_on_two_lines(make_task: MakeTask, bytewise: PreTrainedTokenizerBase) -> None:
    task = make_task("sentence_pair", CONTENT, COLUMNS)
    rows = [Row(0, "the cat", "yes", pair="a dog")]
    (whole,), (cut,) = (SentencePair.tokenise(rows, task, bytewise, length) for length in (64, 8))
    assert text_of(bytewise, whole.tokens) == "the cat\na dog"
    assert text_of(bytewise, cut.tokens) == "the \na d"
    assert whole.segments == ()
