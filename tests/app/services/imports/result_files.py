"""Result files of the form that Hugging Face's method comparison publishes, with numbers of our own."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from app.services.imports.hf_files import ResultFile, uploaded_files

PUBLISHED_FILES = {"MetaMathQA": 63, "image-gen": 31}


def result(name: str = "lora/llama-rank32", **changes: Any) -> dict[str, Any]:
    """A result of MetaMathQA. changes: dotted paths with "__" for the dots, e.g. train_info__status="failed"."""
    document: dict[str, Any] = {
        "run_info": {
            "created_at": "2026-07-15T05:41:18+00:00",
            "total_time": 1153.3,
            "experiment_name": name,
            "peft_branch": "main",
            "train_config": {
                "model_id": "meta-llama/Llama-3.2-3B",
                "dtype": "bfloat16",
                "max_seq_length": 768,
                "batch_size": 4,
                "max_steps": 5000,
                "seed": 0,
                "optimizer_type": "AdamW",
                "optimizer_kwargs": {"lr": 1e-4, "weight_decay": 0.1},
                "generation_kwargs": {"max_length": 800, "max_new_tokens": 300},
            },
            "peft_config": {
                "peft_type": "LORA",
                "r": 32,
                "lora_alpha": 64,
                "lora_dropout": 0.0,
                "target_modules": ["v_proj", "q_proj"],
                "init_lora_weights": True,
                "use_dora": False,
            },
            "error_msg": "",
        },
        "train_info": {
            "accelerator_memory_reserved_avg": 14_000_000_000,
            "accelerator_memory_max": 22_000_000_000,
            "accelerator_memory_reserved_99th": 20_000_000_000,
            "train_time": 942.0,
            "file_size": 36_715_216,
            "num_trainable_params": 9_175_040,
            "num_total_params": 3_221_924_864,
            "status": "success",
            "metrics": [
                validation(2500, 0.4, 7_300.0),
                validation(5000, 0.5, 7_100.0),
                {"step": 5000, "test accuracy": 660 / 1319, "train loss": 0.6, "forgetting": 0.05},
            ],
        },
        "meta_info": {
            "model_info": {"sha": "13afe512"},
            "dataset_info": {"metamath": {"sha": "aa4f34d3"}, "gsm8k": {"sha": "740312ad"}},
            "package_info": {
                "transformers-version": "5.13.1",
                "peft-version": "0.19.2.dev0",
                "peft-commit-hash": "d787f51bbaa196862733ed53c1b7def75b49ab29",
                "torch-version": "2.13.0+cu130",
            },
            "system_info": {"system": "Linux", "accelerator": "NVIDIA L40S"},
        },
    }
    return changed(document, **changes)


def image_result(name: str = "lora/flux-rank32", **changes: Any) -> dict[str, Any]:
    """A result of image-gen."""
    metrics = [
        {"step": 100, "valid dino_similarity": 0.46, "train loss": 0.8, "train time": 80.0},
        {"step": 750, "test dino_similarity": 0.58, "drift": 0.27, "train loss": 0.7},
    ]
    document = result(name, train_info__metrics=metrics, meta_info__dataset_info={"sha": "37df3244"})
    return changed(document, **changes)


def validation(step: int, accuracy: float, speed: float) -> dict[str, Any]:
    return {
        "step": step,
        "valid accuracy": accuracy,
        "train loss": 1.0 - accuracy,
        "train time": 290.0,
        "tokens / sec": speed,
    }


def changed(document: dict[str, Any], **changes: Any) -> dict[str, Any]:
    for path, value in changes.items():
        *above, last = path.split("__")
        place = document
        for name in above:
            place = place[name]
        place[last] = value
    return document


def sent(files: dict[str, Any]) -> list[ResultFile]:
    """Files by path as an upload: bytes as they are, documents as JSON."""

    def reader(content: Any) -> Any:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        return lambda most: data[:most]

    return uploaded_files([(path, reader(content)) for path, content in files.items()])


def published() -> Path:
    """The folder of the published results; skips the test where it is not at hand."""
    beside = Path(__file__).parents[5] / "shared" / "data" / "hf-peft-method-comparison"
    folder = Path(os.environ.get("HF_PEFT_RESULTS", beside))
    if not folder.is_dir():
        pytest.skip("The published results are not at hand: set HF_PEFT_RESULTS to their folder.")
    return folder
