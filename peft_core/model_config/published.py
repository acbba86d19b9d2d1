"""Configurations that papers print, for telling what a size means: nothing here is loaded or offered for training."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PublishedModel:
    """A model by its configuration. source: the paper, and where in it the sizes stand."""

    title: str
    config: Mapping[str, Any]
    source: str
    url: str


def _bert(layers: int, width: int, heads: int) -> dict[str, Any]:
    sizes = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads}
    return {"model_type": "bert", **sizes, "intermediate_size": 4 * width}


def _gpt(layers: int, width: int, heads: int, positions: int) -> dict[str, Any]:
    return {"model_type": "gpt2", "n_layer": layers, "n_embd": width, "n_head": heads, "n_positions": positions}


def _llama(layers: int, width: int, heads: int, inner: int) -> dict[str, Any]:
    sizes = {"hidden_size": width, "num_hidden_layers": layers, "num_attention_heads": heads}
    return {"model_type": "llama", **sizes, "intermediate_size": inner, "vocab_size": 32_000}


BERT, BERT_URL = "Devlin et al. 2018, section 3", "https://arxiv.org/abs/1810.04805"
GPT2 = "Radford et al. 2019, table 2"
GPT2_URL = "https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf"
LLAMA, LLAMA_URL = "Touvron et al. 2023, table 2", "https://arxiv.org/abs/2302.13971"

PUBLISHED_MODELS: dict[str, PublishedModel] = {
    "bert_base": PublishedModel("BERT base", _bert(12, 768, 12), BERT, BERT_URL),
    "bert_large": PublishedModel("BERT large", _bert(24, 1024, 16), BERT, BERT_URL),
    "gpt2": PublishedModel("GPT-2", _gpt(12, 768, 12, 1024), GPT2, GPT2_URL),
    "gpt2_xl": PublishedModel("GPT-2 XL", _gpt(48, 1600, 25, 1024), GPT2, GPT2_URL),
    "llama_7b": PublishedModel("LLaMA 7B", _llama(32, 4096, 32, 11_008), LLAMA, LLAMA_URL),
    "llama_13b": PublishedModel("LLaMA 13B", _llama(40, 5120, 40, 13_824), LLAMA, LLAMA_URL),
    "llama_65b": PublishedModel("LLaMA 65B", _llama(80, 8192, 64, 22_016), LLAMA, LLAMA_URL),
    "gpt3": PublishedModel(
        "GPT-3", _gpt(96, 12_288, 96, 2048), "Brown et al. 2020, table 2.1", "https://arxiv.org/abs/2005.14165"
    ),
}
"""From the smallest to the largest."""
