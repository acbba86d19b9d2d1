"""Instruction tuning: the response is learned and scored, its prompt is not."""

import math

import pytest
from transformers import PreTrainedTokenizerBase

from peft_core.data import Item, Row
from peft_core.errors import NotOffered
from peft_core.spec import Columns
from peft_core.tasks._language import NOT_PREDICTED, predicted_tokens
from peft_core.tasks._prompt import Response
from peft_core.tasks.instruction import Instruction
from tests.peft_core.tasks.conftest import Following, MakeTask, byte_tokenizer, text_of

COLUMNS = Columns(text="prompt", label="response")
CONTENT = "prompt,response\n" + "".join(f"say {index},{index}\n" for index in range(12))
BEGIN, END, TURN = 1, 2, 3
CHAT = (
    "{% for turn in messages %}{{ turn.role }}:{{ turn.content }}<turn>\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)


def tokenised(task: MakeTask, tokenizer: PreTrainedTokenizerBase, length: int, *rows: tuple[str, str]) -> list[Item]:
    listed = [Row(index, prompt, response) for index, (prompt, response) in enumerate(rows)]
    return Instruction.tokenise(listed, task("instruction", CONTENT, COLUMNS), tokenizer, length)


def given_and_predicted(item: Item, tokenizer: PreTrainedTokenizerBase) -> tuple[str, str]:
    start = item.target.start
    return text_of(tokenizer, item.tokens[:start]), text_of(tokenizer, item.tokens[start:])


def test_a_prompt_and_its_response_stand_on_two_lines(make_task: MakeTask, bytewise: PreTrainedTokenizerBase) -> None:
    (item,) = tokenised(make_task, bytewise, 32, ("say", "你好"))
    assert given_and_predicted(item, bytewise) == ("<s>say\n", "你好</s>")
    assert (item.target.start, predicted_tokens(item), item.target.stop) == (5, 7, (END,))
    assert item.target.text(item.tokens) == "say\n你好"


def test_a_prompt_keeps_its_end_and_leaves_a_quarter_to_the_response(
    make_task: MakeTask, bytewise: PreTrainedTokenizerBase
) -> None:
    short, long = tokenised(make_task, bytewise, 8, ("0123456789", "x"), ("0123456789", "abcdefgh"))
    # Of 8 tokens 6 are the prompt's: its line break and the five characters before it.
    assert given_and_predicted(short, bytewise) == ("56789\n", "x</s>")
    assert given_and_predicted(long, bytewise) == ("56789\n", "ab")
    assert short.target.room == long.target.room == 2


def test_the_prompt_is_never_learned() -> None:
    items = [Item(0, (1, 3, 3, 2), Response(start=2)), Item(1, (1, 2), Response(start=1))]
    batch = Instruction.collate(items, 0)
    no = NOT_PREDICTED
    assert batch["labels"].tolist() == [[no, no, 3, 2], [no, 2, no, no]]
    assert Instruction.loss_weight(batch) == 3
    # After any token 2 has probability 1/2 and 3 has 1/4.
    after = [math.log(1 / 8), math.log(1 / 8), math.log(1 / 2), math.log(1 / 4)]
    for virtual in (0, 2):
        model = Following([after] * 4, virtual)
        assert Instruction.loss(model, batch).item() == pytest.approx((math.log(4) + 2 * math.log(2)) / 3)
        assert Instruction.answers(model, batch) == pytest.approx([math.log(8), math.log(2)])


def test_a_chat_template_writes_the_turns_and_its_own_end_is_learned(make_task: MakeTask) -> None:
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = CHAT
    (item,) = tokenised(make_task, tokenizer, 64, ("say", "hi"))
    assert given_and_predicted(item, tokenizer) == ("user:say<turn>\nassistant:", "hi<turn>")
    assert set(item.target.stop) == {TURN, END}


@pytest.mark.parametrize("response", ["t", "turn", "n>", "assistant:", "say"])
def test_a_response_that_the_template_contains_ends_its_turn_too(make_task: MakeTask, response: str) -> None:
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = CHAT
    (item,) = tokenised(make_task, tokenizer, 64, ("say", response))
    assert given_and_predicted(item, tokenizer)[1] == f"{response}<turn>"


def test_a_template_without_an_end_ends_with_the_base_s(make_task: MakeTask) -> None:
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = "{% for turn in messages %}{{ turn.content }}\n{% endfor %}"
    (item,) = tokenised(make_task, tokenizer, 64, ("say", "hi"))
    assert given_and_predicted(item, tokenizer) == ("say\n", "hi</s>")


def test_a_template_that_refuses_is_told(make_task: MakeTask) -> None:
    tokenizer = byte_tokenizer()
    tokenizer.chat_template = "{{ raise_exception('roles must alternate') }}"
    with pytest.raises(NotOffered, match=r"chat template of this base model refuses .*roles must alternate"):
        tokenised(make_task, tokenizer, 64, ("say", "hi"))
