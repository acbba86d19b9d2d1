"""The parameter counts that Hugging Face's method comparison published, from Llama-3.2-3B's config and no weights.

Source: huggingface/peft, method_comparison/MetaMathQA/results (Apache-2.0, commit 5d602fdb), `num_trainable_params` and
`file_size` of each file. The figures are quoted here, and compared with the files where their folder is at hand.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from peft_core.analysis.cost_model.parameters import storage_bytes, trainable_parameters
from peft_core.analysis.cost_model.setting import Setting
from peft_core.method import build_method
from peft_core.model_config import read_config
from peft_core.spec import Budget

LLAMA_3_2_3B: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 3072,
    "intermediate_size": 8192,
    "num_hidden_layers": 28,
    "num_attention_heads": 24,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "vocab_size": 128_256,
    "max_position_embeddings": 131_072,
    "tie_word_embeddings": True,
}
PUBLISHED: dict[str, tuple[str, dict[str, Any], int, int | None]] = {
    "full-finetuning--llama-3.2-3B-lr_0.00001": ("full", {}, 3_212_749_824, None),
    "lora--llama-3.2-3B-rank32": ("lora", {"rank": 32, "dropout": 0.0}, 9_175_040, 36_715_216),
    "lora--llama-3.2-3B-rank64": ("lora", {"rank": 64}, 18_350_080, 73_415_408),
    "lora--llama-3.2-3B-rank10-target-mlp": (
        "lora",
        {"rank": 10, "target_modules": "feed_forward"},
        9_461_760,
        37_868_984,
    ),
    "lora--llama-3.2-3B-rank64-rslora": (
        "rslora",
        {"rank": 64, "target_modules": "query_value"},
        18_350_080,
        73_415_408,
    ),
    "lora--llama-3.2-3B-rank32-dora": ("dora", {"rank": 32}, 9_289_728, 37_181_760),
    "lora--llama-3.2-3B-rank32-lorafa": ("lora_fa", {"rank": 32}, 3_670_016, 36_715_216),
    "adalora--llama-3.2-3B-rank32": (
        "adalora",
        {"rank": 32, "start_ratio": 2.0, "target_modules": "query_value"},
        18_353_664,
        None,
    ),
    "prefixtuning--llama-3.2-3B-lr_0.001": ("p_tuning_v2", {"num_virtual_tokens": 200}, 11_468_800, 45_875_328),
    "prefixtuning--llama-3.2-3B-tokens50-init_prefix-lr_0.005": (
        "p_tuning_v2",
        {"num_virtual_tokens": 50},
        2_867_200,
        11_468_928,
    ),
    "prompt_tuning--llama-3.2-3B-default": ("prompt_tuning", {"num_virtual_tokens": 200}, 614_400, 2_457_728),
    "ptuning--llama-3.2-3B-default": (
        "p_tuning",
        {"num_virtual_tokens": 20, "encoder_hidden_size": 3072, "encoder_layers": 2},
        28_382_208,
        245_880,
    ),
    "ia3--llama-3.2-3B-default": ("ia3", {}, 286_720, 1_157_064),
    "ia3--llama-3.2-3B-all-attn-5k-lr0.005": ("ia3", {"target_modules": "all_linear"}, 630_784, 2_546_928),
    # Saved in bfloat16 there.
    "ln_tuning--llama-3.2-3B-default": ("ln_tuning", {}, 175_104, None),
    "vera--llama-3.2-3B-default": ("vera", {"rank": 256}, 129_024, 6_821_968),
    "miss--llama-3.2-3B-default": ("miss", {"rank": 64}, 7_340_032, 29_367_496),
    "miss--llama-3.2-3B-bat": ("miss", {"rank": 64, "variant": "bat"}, 7_340_032, 29_367_552),
    "miss--llama-3.2-3B-mini": ("miss", {"rank": 64, "variant": "mini", "mini_rank": 64}, 229_376, 924_568),
    "loha--llama-3.2-3B-rank32": ("loha", {"rank": 32}, 18_350_080, 73_429_560),
    "hira--llama-3.2-3B-rank32-lr4.5e-3": ("hira", {"rank": 32}, 9_175_040, None),
    "delora--llama-3.2-3B-rank32": ("delora", {"rank": 32}, 9_175_096, None),
    "fourierft--llama-3.2-3B-n_frequency-5000": ("fourierft", {"n_frequency": 5000}, 280_000, None),
    "waveft--llama-3.2-3B-n_frequency-5000": ("waveft", {"n_frequency": 5000}, 280_000, None),
    "boft--llama-3.2-3B-default": ("boft", {"block_size": 4, "factors": 1}, 802_816, None),
}
"""File -> our method and hyper-parameters, the parameters trained, the bytes of the saved adapter where ours has them.

Hugging Face's prefix tuning there has no projection, which is our P-Tuning v2.
"""


def llama(method: str, hyperparameters: dict[str, Any]) -> Setting:
    base, anatomy = read_config(LLAMA_3_2_3B)
    return Setting(
        base=base,
        anatomy=anatomy,
        method=build_method(method, hyperparameters),
        task_kind="causal_lm",
        labels=0,
        budget=Budget(steps=5_000, batch_size=4, max_length=768),
    )


@pytest.fixture(scope="module")
def results() -> Path:
    """The folder of published results: HF_PEFT_RESULTS, or beside the repository."""
    beside = Path(__file__).parents[5] / "shared" / "data" / "hf-peft-method-comparison"
    folder = Path(os.environ.get("HF_PEFT_RESULTS", beside)) / "MetaMathQA" / "results"
    if not folder.is_dir():
        pytest.skip("The published results are not at hand: set HF_PEFT_RESULTS to their folder.")
    return folder


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_counts_are_reproduced_exactly(name: str) -> None:
    method, hyperparameters, parameters, file_bytes = PUBLISHED[name]
    setting = llama(method, hyperparameters)
    assert trainable_parameters(setting) == parameters
    if file_bytes is not None:
        # A file also names each of its tensors.
        assert storage_bytes(setting) == pytest.approx(file_bytes, rel=0.01)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_quoted_figures_are_the_published_ones(name: str, results: Path) -> None:
    _, _, parameters, file_bytes = PUBLISHED[name]
    found = json.loads((results / f"{name}.json").read_text())["train_info"]
    assert found["num_trainable_params"] == parameters
    assert file_bytes is None or found["file_size"] == file_bytes
