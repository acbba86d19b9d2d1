"""The first two turns of a conversation become a prompt and its response."""

import csv
from pathlib import Path

import pytest

from peft_core.assets.datasets import dialogues
from peft_core.assets.datasets.dialogues import Dialogues
from peft_core.errors import MissingAsset
from tests.peft_core.assets.archives import wheel_of

ENGLISH = b"""
categories: [AI]
conversations:
- - 'What is "AI"? '
  - "A field, they say."
- - What is a computer?
  - A machine.
  - The thing you are using.
"""
CHINESE = "conversations:\n- - 你好\n  - 你好，朋友\n".encode()


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(dialogues, "CONVERSATIONS", {"english": 2, "chinese": 1})
    files = {"corpus/data/english/ai.yml": ENGLISH, "corpus/data/chinese/hello.yml": CHINESE}
    return wheel_of(tmp_path, files | {"corpus/data/german/ai.yml": b"conversations: []"})


def rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def test_first_turns_become_prompts_and_responses(wheel: Path, tmp_path: Path) -> None:
    Dialogues.prepare(wheel, tmp_path)
    assert rows(tmp_path / "dialogues.csv") == [
        ["topic", "prompt", "response"],
        ["ai", 'What is "AI"?', "A field, they say."],
        ["ai", "What is a computer?", "A machine."],
    ]
    assert rows(tmp_path / "chinese_dialogues.csv")[1:] == [["hello", "你好", "你好，朋友"]]


def test_another_number_of_conversations_is_refused(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dialogues, "CONVERSATIONS", {"english": 2_026, "chinese": 467})
    with pytest.raises(MissingAsset, match="holds 2 english conversations, not 2,026"):
        Dialogues.prepare(wheel, tmp_path)
