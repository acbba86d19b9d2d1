"""Which method of the catalogue a published experiment used, and its hyper-parameters under our names."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.language import tr
from app.services.imports.hf_result import HfResult, RefusedResult
from peft_core.method import Family, methods

OPTIMIZERS = {"lora_fa": "lora_fa", "lorafa": "lora_fa", "lora+": "lora_plus", "lora_plus": "lora_plus"}
"""Optimizers that make a method of their own out of LoRA."""
SWITCHES = {
    "use_dora": "dora",
    "use_rslora": "rslora",
    "use_qalora": "qalora",
    "use_bdlora": "bdlora",
    "alora_invocation_tokens": "alora",
    "velora_config": "velora",
    "monteclora_config": "monteclora",
    "arrow_config": "arrow",
}
"""Fields of LoRA's configuration that make another method of it wherever they are set."""
PLAIN_INITS = frozenset({"true", "gaussian"})
RENAMED = {"r": "rank", "lora_alpha": "alpha", "lora_dropout": "dropout"}
NAMED_ALIKE = ("alpha", "num_virtual_tokens")
TARGETS = {
    frozenset({"q_proj", "v_proj"}): "query_value",
    frozenset({"q_proj", "k_proj", "v_proj", "o_proj"}): "attention",
    frozenset({"gate_proj", "up_proj", "down_proj"}): "feed_forward",
    frozenset({"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}): "all_linear",
}


@dataclass(frozen=True)
class NamedMethod:
    """A method by the catalogue's key, or by the name it has elsewhere; then its family is "external"."""

    key: str
    family: Family
    hyperparameters: dict[str, Any]


def method_of(result: HfResult) -> NamedMethod:
    """The method that a result is of; raises RefusedResult where its configuration does not say."""
    config = result.run.peft_config
    if config is None:
        return NamedMethod("full", "reference", {})
    kind = config.get("peft_type")
    if not isinstance(kind, str) or not kind.strip() or len(kind) > 90 or not kind.isprintable():
        raise RefusedResult(tr("names no method in run_info.peft_config.peft_type"))
    key = _key(kind.strip().lower(), config, result.config.optimizer_type)
    known = methods().get(key)
    if known is None or known.family == "reference":
        return NamedMethod(key, "external", _renamed(config))
    return NamedMethod(key, known.family, _of_fields(config, frozenset(known.model_fields)))


def _key(kind: str, config: Mapping[str, Any], optimizer: str | None) -> str:
    if kind == "lora":
        return "+".join(_lora_variants(config, optimizer))[:100] or "lora"
    if kind == "prefix_tuning" and config.get("prefix_projection") is not True:
        # Without the projection by an MLP it is what P-Tuning v2 trains.
        return "p_tuning_v2"
    return kind


def _lora_variants(config: Mapping[str, Any], optimizer: str | None) -> list[str]:
    """What makes another method of LoRA; where it is several things at once, it is none of them alone."""
    found = [name for field, name in SWITCHES.items() if config.get(field)]
    init = str(config.get("init_lora_weights", True)).lower()
    if init not in PLAIN_INITS and init not in ("none", "false"):
        found.append("pissa" if init.startswith("pissa") else init)
    trained_by = OPTIMIZERS.get((optimizer or "").lower().replace("-", "_"))
    return [*found, *([trained_by] if trained_by else [])]


def _renamed(config: Mapping[str, Any]) -> dict[str, Any]:
    """The usual hyper-parameters of a configuration under the names that our methods give them."""
    found = {RENAMED.get(name, name): config.get(name) for name in (*NAMED_ALIKE, *RENAMED)}
    if isinstance(config.get("target_r"), int):
        # AdaLoRA starts from more and ends with this rank.
        found["rank"] = config["target_r"]
    found["target_modules"] = _targets(config.get("target_modules"))
    return {name: value for name, value in found.items() if _is_setting(value)}


def _of_fields(config: Mapping[str, Any], fields: frozenset[str]) -> dict[str, Any]:
    """What of a configuration are fields of the method here; the rest stays with the run's origin."""
    same = {name: config[name] for name in fields if _is_setting(config.get(name)) and name != "target_modules"}
    return {name: value for name, value in (same | _renamed(config)).items() if name in fields}


def _is_setting(value: Any) -> bool:
    return isinstance(value, (bool, int, float, str)) and value != ""


def _targets(modules: Any) -> str | None:
    if not isinstance(modules, list) or not all(isinstance(name, str) for name in modules):
        return None
    return TARGETS.get(frozenset(modules), ", ".join(sorted(modules))[:400])
