"""Which tokens begin, end and separate a base model's texts, by the files of its folder."""

import json
from pathlib import Path
from typing import Any

import pytest

from peft_core.special_tokens import read_special_tokens


def write(folder: Path, **files: dict[str, Any]) -> Path:
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("config", "tokens"),
    [
        ({"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}, (1, 2)),
        ({"bos_token_id": 128000, "eos_token_id": [128001, 128008, 128009]}, (128000, 128001, 128008, 128009)),
        ({"bos_token_id": 50256, "eos_token_id": 50256}, (50256,)),
        ({"bos_token_id": None, "pad_token_id": 0}, ()),
    ],
)
def test_they_are_numbered_by_the_configuration(
    config: dict[str, Any], tokens: tuple[int, ...], tmp_path: Path
) -> None:
    assert read_special_tokens(write(tmp_path, config=config)) == tokens


def test_or_else_by_the_tokenizer(tmp_path: Path) -> None:
    """Padding and masks frame nothing. A name is a text, or an object with the text in it."""
    write(
        tmp_path,
        config={"pad_token_id": 0},
        tokenizer_config={"cls_token": "[CLS]", "sep_token": {"content": "[SEP]"}, "mask_token": "[MASK]"},
        tokenizer={
            "added_tokens": [{"id": i, "content": f"[{name}]"} for i, name in enumerate(("PAD", "SEP", "CLS", "MASK"))]
        },
    )
    assert read_special_tokens(tmp_path) == (1, 2)


def test_minilm_frames_a_text_by_cls_and_sep(minilm: Path) -> None:
    assert read_special_tokens(minilm) == (101, 102)


def test_a_folder_without_these_files_names_none(tmp_path: Path) -> None:
    assert read_special_tokens(tmp_path) == ()
