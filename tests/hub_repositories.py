"""Small repositories for the hub of the tests, and what fetching from it tells."""

import tempfile
from functools import cache
from pathlib import Path

from peft_core.hub import fetch
from peft_core.hub_access import Hub
from peft_core.spec import Event, HubSource, Progress

TOKEN = "hf_canary0123456789"
WEIGHTS = bytes(range(256)) * 20_000
"""5 MB: enough to be cut."""
FILES = {
    "config.json": b'{"model_type": "bert"}',
    "tokenizer.json": b"{}",
    "tokenizer_config.json": b"{}",
    "model.safetensors": WEIGHTS,
    "pytorch_model.bin": b"pickled",
    "modeling_own.py": b"raise SystemExit",
    "README.md": b"A model.",
}
READ = {"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"}
DATA = {
    "README.md": b"A dataset.",
    "data/train-00000-of-00001.csv": b"text,label\none,a\ntwo,b\n",
    "data/test-00000-of-00001.csv": b"text,label\nthree,a\n",
    "data/unsupervised-00000-of-00001.csv": b"text\nfour\n",
}


def got(hub: Hub, source: HubSource) -> tuple[Path, list[Event]]:
    events: list[Event] = []
    return fetch(hub, source, events.append), events


def progress(events: list[Event]) -> list[tuple[int, int]]:
    return [(event.step, event.total_steps) for event in events if isinstance(event, Progress)]


@cache
def tiny_model() -> dict[str, bytes]:
    """The files of a base model as save_pretrained writes them: a BERT of two narrow layers that knows 100 words."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import Whitespace
    from tokenizers.processors import TemplateProcessing
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(f"word{i}" for i in range(96))]
    tokenizer = Tokenizer(WordLevel({word: place for place, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.post_processor = TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    config = BertConfig(
        vocab_size=100,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
        pad_token_id=0,
    )
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        BertModel(config).save_pretrained(folder)
        special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
        fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)  # type: ignore[no-untyped-call]
        fast.save_pretrained(folder)
        return {file.name: file.read_bytes() for file in Path(folder).iterdir()}


def sentences(items: int) -> str:
    """A dataset as CSV: the word tells the class."""
    rows = (f"word{i % 2} word{2 + i // 60} word{10 + i % 60},{'ab'[i % 2]}" for i in range(items))
    return "text,label\n" + "\n".join(rows) + "\n"
