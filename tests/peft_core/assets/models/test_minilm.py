"""MiniLM as it was published, and another base model refused."""

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from peft_core import assets
from peft_core.assets.models import minilm
from peft_core.assets.models.minilm import MiniLM
from peft_core.errors import MissingAsset
from peft_core.model_shape import read_model_shape
from tests.peft_core.assets.archives import wheel_of


def test_it_is_a_small_encoder() -> None:
    shape = read_model_shape(assets.base_models()["minilm"].folder)
    assert (shape.model_type, shape.layers, shape.hidden_size) == ("bert", 6, 384)
    assert shape.parameters == minilm.PARAMETERS


def test_a_package_with_another_model_is_refused(tmp_path: Path) -> None:
    files = {f"p/model/{name}": b"{}" for name in minilm.FILES}
    files["p/model/config.json"] = (assets.base_models()["minilm"].folder / "config.json").read_bytes()
    files["p/model/model.safetensors"] = save({"embeddings.word_embeddings.weight": np.zeros((10, 384), np.float32)})
    with pytest.raises(MissingAsset, match=r"holds a base model of 3,840 parameters, not 22,713,216"):
        MiniLM.prepare(wheel_of(tmp_path, files), tmp_path)
