"""Published configurations as methods of the catalogue."""

import json
from collections import Counter
from typing import Any

import pytest

from app.services.imports.hf_files import files_of_folder
from app.services.imports.hf_methods import method_of
from app.services.imports.hf_result import RefusedResult, parse_result
from peft_core.method import methods
from tests.app.services.imports.result_files import published, result


def named(config: dict[str, Any] | None, optimizer: str = "AdamW") -> tuple[str, str]:
    document = result(run_info__peft_config=config, run_info__train_config__optimizer_type=optimizer)
    found = method_of(parse_result(json.dumps(document).encode()))
    return found.key, found.family


LORA = {"peft_type": "LORA", "r": 8, "init_lora_weights": True, "use_dora": False, "use_rslora": False}


@pytest.mark.parametrize(
    ("config", "optimizer", "expected"),
    [
        (None, "AdamW", ("full", "reference")),
        (LORA, "AdamW", ("lora", "lora")),
        (LORA | {"init_lora_weights": "gaussian"}, "AdamW", ("lora", "lora")),
        (LORA | {"use_dora": True}, "AdamW", ("dora", "lora")),
        (LORA | {"use_rslora": True}, "AdamW", ("rslora", "lora")),
        (LORA, "lora-fa", ("lora_fa", "lora")),
        (LORA, "lora+", ("lora_plus", "lora")),
        (LORA | {"init_lora_weights": "pissa"}, "AdamW", ("pissa", "lora")),
        (LORA | {"init_lora_weights": "pissa_niter_16"}, "AdamW", ("pissa", "lora")),
        (LORA | {"init_lora_weights": "olora"}, "AdamW", ("olora", "lora")),
        (LORA | {"init_lora_weights": "mica"}, "AdamW", ("mica", "external")),
        (LORA | {"use_bdlora": {"nblocks": 2}}, "AdamW", ("bdlora", "external")),
        (LORA | {"use_dora": True, "use_rslora": True}, "AdamW", ("dora+rslora", "external")),
        ({"peft_type": "PREFIX_TUNING", "prefix_projection": False}, "AdamW", ("p_tuning_v2", "soft_prompt")),
        ({"peft_type": "PREFIX_TUNING", "prefix_projection": True}, "AdamW", ("prefix_tuning", "soft_prompt")),
        ({"peft_type": "P_TUNING"}, "AdamW", ("p_tuning", "soft_prompt")),
        ({"peft_type": "IA3"}, "AdamW", ("ia3", "rescaling")),
        ({"peft_type": "ADALORA"}, "AdamW", ("adalora", "lora")),
        ({"peft_type": "BEFT"}, "AdamW", ("beft", "external")),
        ({"peft_type": "FULL"}, "AdamW", ("full", "external")),
    ],
)
def test_a_configuration_is_a_method_of_ours_or_keeps_its_own_name(
    config: dict[str, Any] | None, optimizer: str, expected: tuple[str, str]
) -> None:
    assert named(config, optimizer) == expected


@pytest.mark.parametrize("kind", [None, 3, "", "x" * 101, "a\0b"])
def test_a_configuration_without_a_type_is_refused(kind: Any) -> None:
    with pytest.raises(RefusedResult):
        named({"peft_type": kind})


def test_hyperparameters_have_our_names_and_are_fields_of_the_method() -> None:
    config = LORA | {"lora_alpha": 16, "lora_dropout": 0.1, "target_modules": ["up_proj", "gate_proj", "down_proj"]}
    found = method_of(parse_result(json.dumps(result(run_info__peft_config=config)).encode()))
    assert found.hyperparameters == {"rank": 8, "alpha": 16, "dropout": 0.1, "target_modules": "feed_forward"}


def test_every_published_result_has_a_method() -> None:
    found = [method_of(parse_result(file.read())) for file in files_of_folder(published())]
    families = Counter("external" if method.family == "external" else "ours" for method in found)
    assert families == {"ours": 77, "external": 17}
    known = methods()
    for method in found:
        if method.family != "external":
            assert known[method.key].family == method.family
            assert method.hyperparameters.keys() <= known[method.key].model_fields.keys()
    assert Counter(method.key for method in found)["p_tuning_v2"] == 3
    assert {"dora", "rslora", "lora_fa", "bdlora", "mica"} <= {method.key for method in found}
