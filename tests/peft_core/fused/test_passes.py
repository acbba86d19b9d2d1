"""Turns are put into passes so that little of a pass is padding, and none is too large."""

import torch
from torch import nn

from peft_core.data import Item
from peft_core.fused.layout import Member, Turn
from peft_core.fused.passes import MOST_PADDING, arranged
from peft_core.fused.random_stream import RandomStream
from peft_core.graft import Graft
from peft_core.method import build_method
from peft_core.tasks.classification import Classification

ADAPTED = Graft(outputs={"some.layer": lambda _read, answered: answered})


def turn(configuration: str, length: int, rows: int = 8) -> Turn:
    items = [Item(place, tuple(range(1, length + 1)), 0) for place in range(rows)]
    member = Member(build_method("lora", {}), nn.Module(), RandomStream(torch.device("cpu")), configuration)
    return Turn(member, items, Classification.collate(items, 0))


def passes(turns: list[Turn], most_rows: int = 128, **grafts: Graft) -> list[list[tuple[str, int]]]:
    found = arranged(turns, lambda member: grafts.get(member.configuration, ADAPTED), most_rows)
    return [[(each.member.configuration, each.length) for each in one_pass] for one_pass in found]


def test_runs_of_one_length_pass_together_neighbours_of_one_configuration() -> None:
    turns = [turn("lora", 20), turn("ia3", 20), turn("lora", 20), turn("ia3", 20)]
    assert passes(turns) == [[("ia3", 20), ("ia3", 20), ("lora", 20), ("lora", 20)]]


def test_little_of_a_pass_is_padding() -> None:
    found = passes([turn("lora", length) for length in (10, 30, 11, 29, 12, 28)])
    assert [sorted(length for _, length in one_pass) for one_pass in found] == [[10, 11, 12], [28, 29, 30]]
    for one_pass in found:
        lengths = [length for _, length in one_pass]
        assert 1 - sum(lengths) / (len(lengths) * max(lengths)) <= MOST_PADDING


def test_a_pass_has_no_more_rows_than_asked_but_always_one_run() -> None:
    found = passes([turn("lora", 20) for _ in range(5)], most_rows=16)
    assert [len(one_pass) for one_pass in found] == [2, 2, 1]
    assert passes([turn("lora", 20, rows=64)], most_rows=16) == [[("lora", 20)]]


def test_what_lies_behind_the_base_alone_does_not_wait_for_the_way_back_of_others() -> None:
    found = passes([turn("head", 20), turn("lora", 20), turn("head", 20)], head=Graft())
    assert [{name for name, _ in one_pass} for one_pass in found] == [{"head"}, {"lora"}]


def test_a_long_prompt_is_no_neighbour_of_short_texts() -> None:
    prompt = Graft(prompt_length=20, prompts=lambda: torch.zeros(1, 20, 4))
    found = passes([turn("lora", 20), turn("prompt", 20), turn("ia3", 20)], prompt=prompt)
    assert [{name for name, _ in one_pass} for one_pass in found] == [{"lora", "ia3"}, {"prompt"}]


def test_every_turn_passes_once() -> None:
    turns = [turn(name, length) for length in (5, 9, 14, 33) for name in ("lora", "ia3", "lora")]
    found = [pair for one_pass in passes(turns, most_rows=24) for pair in one_pass]
    assert sorted(found) == sorted((each.member.configuration, each.length) for each in turns)
