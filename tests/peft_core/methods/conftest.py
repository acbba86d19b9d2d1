"""Small models with random weights, one for each architecture that people fine-tune, saved as base models are."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, AutoModelForSequenceClassification

ARCHITECTURES: dict[str, dict[str, Any]] = {
    "bert": {},
    "roberta": {},
    "electra": {"embedding_size": 64},
    "mpnet": {},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "distilbert": {"dim": 64, "n_layers": 2, "n_heads": 4, "hidden_dim": 128},
    "modernbert": {},
    "gpt2": {"n_embd": 64, "n_layer": 2, "n_head": 4, "n_positions": 128},
    "llama": {"num_key_value_heads": 2},
    "qwen2": {"num_key_value_heads": 2},
    "mistral": {"num_key_value_heads": 2},
    "gemma": {"num_key_value_heads": 2, "head_dim": 16},
    "t5": {"d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4, "decoder_start_token_id": 1},
}
"""transformers' names, with what a small model of each needs beyond SIZES: grouped key/value heads, own spellings."""

SIZES = {
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "vocab_size": 100,
    "max_position_embeddings": 128,
}
SPECIAL_TOKENS = {
    "pad_token_id": 1,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "cls_token_id": 2,
    "sep_token_id": 3,
}
OWN_SPELLING = ("distilbert", "gpt2", "t5")

LoadClassifier = Callable[[Path], nn.Module]


@pytest.fixture(scope="session")
def small_base(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a small base model without a head, by architecture; written once."""
    root = tmp_path_factory.mktemp("bases")

    def folder(architecture: str) -> Path:
        path = root / architecture
        if not path.exists():
            sizes = {"vocab_size": 100} if architecture in OWN_SPELLING else SIZES
            config = AutoConfig.for_model(architecture, **SPECIAL_TOKENS, **sizes, **ARCHITECTURES[architecture])
            torch.manual_seed(0)
            model = AutoModelForSequenceClassification.from_config(config)  # type: ignore[no-untyped-call]
            model.base_model.save_pretrained(path)
        return path

    return folder


@pytest.fixture(scope="session")
def short_encoder(minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of MiniLM's last two layers, at their full width and with their own weights, and of its first
    thousand tokens: a sixth of the work, and nothing that a method does differs in the other layers."""
    folder = shutil.copytree(minilm, tmp_path_factory.mktemp("encoder") / "minilm")
    model = AutoModel.from_pretrained(str(minilm))
    model.encoder.layer = model.encoder.layer[-2:]
    model.resize_token_embeddings(1_000)
    model.config.num_hidden_layers = 2
    model.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def small_decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small whole language model: grouped-query attention, output layer tied to the embeddings."""
    folder = tmp_path_factory.mktemp("decoder") / "llama"
    sizes = SIZES | {"num_key_value_heads": 2, "tie_word_embeddings": True}
    torch.manual_seed(0)
    config = AutoConfig.for_model("llama", **SPECIAL_TOKENS, **sizes)
    AutoModelForCausalLM.from_config(config).save_pretrained(folder)  # type: ignore[no-untyped-call]
    return folder


@pytest.fixture(scope="session")
def load_classifier() -> LoadClassifier:
    """A classifier of two labels on a base model's folder; the same fresh head every time."""

    def load(folder: Path) -> nn.Module:
        torch.manual_seed(1)
        model: nn.Module = AutoModelForSequenceClassification.from_pretrained(
            str(folder), num_labels=2, attn_implementation="eager", dtype=torch.float32
        )
        return model.eval()

    return load
