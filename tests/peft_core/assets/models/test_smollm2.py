"""SmolLM2: 4-bit weights made plain numbers once, with its own tokenizer and chat template."""

import json
import struct
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer

from peft_core import assets
from peft_core.assets.models.smollm2 import GGUF, PARAMETERS, _de_quantise
from peft_core.data import Row
from peft_core.model_shape import read_model_shape
from peft_core.neutral_text import SENTENCES
from peft_core.tasks._prompt import tokenise_prompts

HIDDEN, FFN = 32, 64
TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", *"abcdefghijklmnopqrstuvwxyz0123456789", "ab"]
SPECIAL, PLAIN = 3, 1


@pytest.fixture(scope="module")
def smollm2() -> Path:
    if "smollm2" not in assets.base_models():
        pytest.skip("smollm2 is not installed: run `make setup`.")
    return assets.base_models()["smollm2"].folder


@pytest.fixture(scope="module")
def tokenizer(smollm2: Path) -> Any:
    return AutoTokenizer.from_pretrained(smollm2)


def quantised_model(folder: Path) -> None:
    """A Llama of one layer as GGUF; its feed-forward layer's way back in Q4_1 counts 1, 1.5 ... 8.5 over and over."""
    writer = gguf.GGUFWriter(folder / GGUF, "llama")
    for add, value in {
        writer.add_context_length: 64,
        writer.add_embedding_length: HIDDEN,
        writer.add_block_count: 1,
        writer.add_feed_forward_length: FFN,
        writer.add_head_count: 2,
        writer.add_head_count_kv: 1,
        writer.add_rope_dimension_count: 16,
        writer.add_vocab_size: len(TOKENS),
        writer.add_bos_token_id: 1,
        writer.add_eos_token_id: 2,
        writer.add_pad_token_id: 2,
    }.items():
        add(value)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(TOKENS)
    writer.add_token_types([SPECIAL] * 3 + [PLAIN] * (len(TOKENS) - 3))
    writer.add_token_merges(["a b"])
    writer.add_chat_template("{{ messages[0]['content'] }}")
    shapes = {"token_embd": (len(TOKENS), HIDDEN), "output_norm": (HIDDEN,)}
    shapes |= {f"blk.0.{name}": (HIDDEN,) for name in ("attn_norm", "ffn_norm")}
    shapes |= {f"blk.0.{name}": (16, HIDDEN) for name in ("attn_k", "attn_v")}
    shapes |= {f"blk.0.{name}": (HIDDEN, HIDDEN) for name in ("attn_q", "attn_output")}
    shapes |= {f"blk.0.{name}": (FFN, HIDDEN) for name in ("ffn_gate", "ffn_up")}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", np.ones(shape, dtype=np.float32))
    counting = (1 + 0.5 * (np.arange(HIDDEN * FFN) % 16)).reshape(HIDDEN, FFN).astype(np.float32)
    four_bit = gguf.GGMLQuantizationType.Q4_1
    writer.add_tensor("blk.0.ffn_down.weight", gguf.quants.quantize(counting, four_bit), raw_dtype=four_bit)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_four_bits_become_the_numbers_they_stand_for(tmp_path: Path) -> None:
    quantised_model(tmp_path)
    _de_quantise(tmp_path, tmp_path / "plain")
    weights = load_file(tmp_path / "plain" / "model.safetensors")
    found = weights["model.layers.0.mlp.down_proj.weight"]
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    assert found[3].tolist() == [1 + 0.5 * (column % 16) for column in range(FFN)]
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "plain")
    assert tokenizer.tokenize("ab12") == ["ab", "1", "2"]
    assert tokenizer.chat_template == "{{ messages[0]['content'] }}"
    assert all(file.stat().st_mode & 0o044 == 0o044 for file in (tmp_path / "plain").iterdir())


def test_it_is_a_decoder_with_grouped_heads_in_bf16(smollm2: Path) -> None:
    shape = read_model_shape(smollm2)
    assert (shape.model_type, shape.layers, shape.hidden_size) == ("llama", 30, 576)
    assert (shape.heads, shape.key_value_width) == (9, 192)
    assert shape.causal
    assert shape.parameters == PARAMETERS
    with (smollm2 / "model.safetensors").open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    assert {entry["dtype"] for name, entry in header.items() if name != "__metadata__"} == {"BF16"}


def test_what_was_done_to_it_is_said() -> None:
    (asset,) = (model for source in assets.sources() for model in source.base_models() if model.name == "smollm2")
    assert "de-quantised from Q4_1" in asset.title
    assert "Q4_1" in asset.source


def test_its_tokenizer_takes_digits_one_by_one(tokenizer: Any) -> None:
    assert tokenizer.tokenize("a  12") == ["a", "ĠĠ", "1", "2"]


def test_its_chat_template_frames_prompt_and_response(tokenizer: Any) -> None:
    (item,) = tokenise_prompts([Row(0, text="Say yes.", label="Yes.")], tokenizer, 128)
    prompt, response = item.tokens[: item.target.start], item.tokens[item.target.start :]
    assert tokenizer.decode(prompt).endswith("<|im_start|>user\nSay yes.<|im_end|>\n<|im_start|>assistant\n")
    assert tokenizer.decode(response) == "Yes.<|im_end|>"


def test_it_predicts_english(smollm2: Path, tokenizer: Any) -> None:
    """Knowing nothing is ln 49,152 = 10.8 nats a token; weights in the wrong order would be no better."""
    model = AutoModelForCausalLM.from_pretrained(smollm2, dtype=torch.float32)
    tokens = tokenizer(" ".join(SENTENCES), return_tensors="pt")["input_ids"]
    with torch.no_grad():
        assert model(input_ids=tokens, labels=tokens).loss.item() < 4
