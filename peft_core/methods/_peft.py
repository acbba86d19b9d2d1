"""What all methods of the peft library share: attaching, saving and loading through peft's own functions."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from peft_core.errors import NotOffered
from peft_core.graft import Graft, unwrapped
from peft_core.head import head_modules, is_head
from peft_core.method import Method
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn

ADAPTER = "default"
"""What peft calls a model's one adapter."""

TASK_TYPES = {
    "classification": "SEQ_CLS",
    "regression": "SEQ_CLS",
    "sentence_pair": "SEQ_CLS",
    "token_classification": "TOKEN_CLS",
    "multiple_choice": None,
    "causal_lm": "CAUSAL_LM",
    "instruction": "CAUSAL_LM",
    "generation": "CAUSAL_LM",
}
"""Our kinds of task in peft's words; None: peft has no word for it and wraps the model as it is."""

TRAINED_BY_PEFT = ("classifier", "score")
"""The endings of the head layers that peft trains and saves by itself in a SEQ_CLS or TOKEN_CLS model."""


class PeftMethod(Method):
    """A method that peft implements; its file says which configuration."""

    def peft_config(self, model: "nn.Module", task_type: str | None) -> Any:
        """The peft configuration of these hyper-parameters for a loaded base model."""
        raise NotImplementedError

    def check(self, shape: ModelShape, *, task_kind: str, max_length: int) -> None:
        if task_kind not in TASK_TYPES:
            raise NotOffered(f"{self.title} is not offered for {task_kind} tasks. Choose another method.")

    def attach(self, model: "nn.Module", *, task_kind: str, total_steps: int) -> "nn.Module":
        from peft import get_peft_model

        task_type = TASK_TYPES[task_kind]
        config = self.peft_config(model, task_type)
        by_peft = TRAINED_BY_PEFT if task_type in ("SEQ_CLS", "TOKEN_CLS") else ()
        # Left to itself peft freezes the rest of a head (DeBERTa's pooler), which our own methods train.
        config.modules_to_save = [name for name in head_modules(model) if not name.endswith(by_peft)] or None
        attached: nn.Module = get_peft_model(model, config)
        return attached.eval()

    def save(self, model: "nn.Module", folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        model.save_pretrained(str(folder), safe_serialization=True)  # type: ignore[operator]
        # peft adds a model card for the hub; it restores nothing and is not part of what a task costs on disk.
        (folder / "README.md").unlink(missing_ok=True)

    def fuse(self, models: "Sequence[nn.Module]") -> Graft:
        """peft's own layer of each run answers for the run's rows, its base weights included."""
        return Graft(instead={path: layers for path, layers in layers_of_each(models).items() if not is_head(path)})

    def unload(self, model: "nn.Module") -> "nn.Module | None":
        unwrap_head(model, trained=False)
        base: nn.Module = model.unload()  # type: ignore[operator]
        return base

    def load(self, model: "nn.Module", folder: Path, *, task_kind: str) -> "nn.Module":
        from peft import PeftModel

        loaded: nn.Module = PeftModel.from_pretrained(model, str(folder))
        return loaded.eval()


def layers_of_each(models: "Sequence[nn.Module]") -> dict[str, list[Any]]:
    """peft's layers, by the path of the module that each has replaced: for each path one of every attached model."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    found: dict[str, list[Any]] = {}
    for model in models:
        for path, module in unwrapped(model).named_modules():
            if isinstance(module, BaseTunerLayer):
                found.setdefault(path, []).append(module)
    return found


def merge_into_base(model: "nn.Module") -> "nn.Module":
    """The base model with the update in its weights, and the trained head."""
    unwrap_head(model, trained=True)
    merged: nn.Module = model.merge_and_unload()  # type: ignore[operator]
    return merged


def unwrap_head(model: "nn.Module", *, trained: bool) -> None:
    """Take peft's wrapper off the head: the trained copy stays, or the head as it came.

    peft would do so itself, but most of its tuners fail at a head of several layers (RoBERTa's).
    """
    from peft.utils.other import ModulesToSaveWrapper

    wrappers = {path: module for path, module in model.named_modules() if isinstance(module, ModulesToSaveWrapper)}
    for path, wrapper in wrappers.items():
        parent, _, name = path.rpartition(".")
        head = wrapper.modules_to_save[wrapper.active_adapters[0]] if trained else wrapper.original_module
        setattr(model.get_submodule(parent), name, head)


@contextmanager
def without_warning(message: str) -> Iterator[None]:
    """Without those of peft's warnings that hold `message`: meant for other cases than the one at hand."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", f"(?s).*{message}")
        yield
