"""The formulas of the guide to the chapter, worked out again: by hand for a layer, by the cost model for a model."""

from collections.abc import Callable, Mapping

from pydantic import JsonValue
from sqlalchemy import Engine

from app.services.callers import LOCAL
from app.services.claim_verdicts import judge_claims
from peft_core import assets
from peft_core.analysis.cost_model.activations import Held
from peft_core.analysis.cost_model.flops import forward_flops, training_flops
from peft_core.analysis.cost_model.forward_pass import forward_pass
from peft_core.analysis.cost_model.memory import Memory, working_bytes
from peft_core.analysis.cost_model.parameters import head_parameters, storage_bytes
from peft_core.analysis.cost_model.setting import Setting
from peft_core.method import build_method
from peft_core.model_config import Anatomy, read_config, read_config_of
from peft_core.model_config.published import PUBLISHED_MODELS
from peft_core.model_shape import ModelShape
from peft_core.spec import Budget

Given = Mapping[str, str]


def _base(given: Given) -> tuple[ModelShape, Anatomy]:
    if "published" in given:
        return read_config(PUBLISHED_MODELS[given["published"]].config)
    if "base_model" in given:
        return read_config_of(assets.base_models()[given["base_model"]].folder)
    width, layers = int(given["width"]), int(given["layers"])
    return read_config(
        {
            "model_type": "opt",
            "hidden_size": width,
            "word_embed_proj_dim": width,
            "ffn_dim": 4 * width,
            "num_hidden_layers": layers,
            "num_attention_heads": width // 64,
            "vocab_size": 50_272,
            "max_position_embeddings": 131_072,
        }
    )


def _parameters(given: Given) -> float:
    base, _ = _base(given)
    return float(base.parameters + base.language_head_parameters)


def _setting(given: Given, method: str) -> Setting:
    base, anatomy = _base(given)
    rank, n = int(given["rank"]), int(given["prefix"])
    chosen: dict[str, dict[str, JsonValue]] = {
        "lora": {"rank": rank, "alpha": 2.0 * rank},
        "qlora": {"rank": rank, "alpha": 2.0 * rank},
        "adapter": {"bottleneck_size": int(given["bottleneck"])},
        "prefix_tuning": {"num_virtual_tokens": n},
        "p_tuning_v2": {"num_virtual_tokens": n},
    }
    return Setting(
        base=base,
        anatomy=anatomy,
        method=build_method(method, chosen.get(method, {})),
        task_kind="causal_lm" if base.causal else "classification",
        labels=2,
        budget=Budget(steps=1_000, batch_size=int(given["batch"]), max_length=int(given["length"])),
        precision="bf16",
        device="cuda" if given["device"] == "cuda" else "cpu",
    )


def _cost(given: Given) -> float:
    """One figure of one method: counted here where that is short."""
    setting, full = _setting(given, given["method"]), _setting(given, "full")
    trained = setting.method.trainable_parameters(setting.shape)
    tokens, tasks = int(given["batch"]) * int(given["length"]), int(given["tasks"])
    whole = setting.method.stores_whole_model
    head = head_parameters(setting)
    kept: Held = forward_pass(setting)
    figures: dict[str, Callable[[], float]] = {
        "trainable_parameters": lambda: trained,
        "trainable_share": lambda: trained / full.method.trainable_parameters(full.shape),
        "storage_bytes": lambda: storage_bytes(setting),
        "storage_of_tasks": lambda: tasks * storage_bytes(setting) + (0 if whole else storage_bytes(full)),
        "weights": lambda: Memory(setting).weights,
        "gradients": lambda: Memory(setting).gradients,
        # Two averages of four bytes for each trained number, the head's among them.
        "optimizer": lambda: 8 * (trained + head),
        "activations": lambda: kept.kept + Memory(setting).logits + working_bytes(setting),
        "peak": lambda: Memory(setting).peak,
        "memory_share": lambda: Memory(setting).peak / Memory(full).peak,
        "forward_flops": lambda: forward_flops(setting) / tokens,
        "training_flops": lambda: training_flops(setting) / tokens,
    }
    return float(figures[given["figure"]]())


def _claim_studies(given: Given, engine: Engine) -> float:
    """In how many studies a claim was measured, or of these agrees or disagrees."""
    found = judge_claims(engine, LOCAL)
    findings = next(item for item in found.items if item.key == given["claim"]).findings
    wanted = {"measured": (True, False, None), "agree": (True,), "disagree": (False,)}[given["of"]]
    return float(sum(finding.agrees in wanted for finding in findings))


def _whole(given: Given, *names: str) -> list[int]:
    return [int(given[name]) for name in names]


def _product(*names: str, times: int = 1) -> Callable[[Given, Engine], float]:
    def value(given: Given, _engine: Engine) -> float:
        product = float(times)
        for factor in _whole(given, *names):
            product *= factor
        return product

    return value


CHAPTER_FORMULAS: dict[str, Callable[[Given, Engine], float]] = {
    "chosen": lambda given, _: float(given["value"]),
    "parameters_of": lambda given, _: _parameters(given),
    "training_state": lambda given, _: 16 * _parameters(given),
    "width_of": lambda given, _: float(_base(given)[0].hidden_size),
    "layers_of": lambda given, _: float(_base(given)[0].layers),
    "matrix_parameters": _product("width", "width"),
    "lora_parameters": _product("width", "rank", times=2),
    "lora_reduction": lambda given, _: int(given["width"]) / (2 * int(given["rank"])),
    "lora_added_share": lambda given, _: 2 * int(given["rank"]) / int(given["width"]),
    "lora_fastest": lambda *_: 1.5,
    "adapter_parameters": lambda given, _: float(
        2 * int(given["width"]) * int(given["bottleneck"]) + int(given["bottleneck"]) + int(given["width"])
    ),
    "adapter_flops": _product("width", "bottleneck", times=4),
    "eighth": lambda given, _: float(int(given["width"]) // 8),
    "prefix_parameters": _product("layers", "length", "key_value_width", times=2),
    "prefix_flops": _product("layers", "length", "width", times=4),
    "price_of": lambda given, _: float(given["seconds"]) / 3_600 * float(given["price"]),
    "train_seconds_of": lambda given, _: float(
        float(given["steps"]) * (float(given["start"]) + float(given["flops"]) / float(given["speed"]))
    ),
    "chapter_cost": lambda given, _: _cost(given),
    "claim_studies": _claim_studies,
}
"""The named formulas of the page, each computed again."""
