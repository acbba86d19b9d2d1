"""What all methods of the peft library share: attaching, saving and loading through peft's own functions."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from peft_core.errors import NotOffered
from peft_core.method import Method
from peft_core.model_shape import ModelShape

if TYPE_CHECKING:
    from torch import nn

TASK_TYPES = {"classification": "SEQ_CLS"}
"""Our kinds of task in peft's words."""


class PeftMethod(Method):
    """A method that peft implements; its file says which configuration."""

    def peft_config(self, task_type: str) -> Any:
        """The peft configuration of these hyper-parameters."""
        raise NotImplementedError

    def check(self, shape: ModelShape, *, task_kind: str, max_length: int) -> None:
        if task_kind not in TASK_TYPES:
            raise NotOffered(f"{self.title} is not offered for {task_kind} tasks.")

    def attach(self, model: "nn.Module", *, task_kind: str, total_steps: int) -> "nn.Module":
        from peft import get_peft_model

        attached: nn.Module = get_peft_model(model, self.peft_config(TASK_TYPES[task_kind]))
        return attached.eval()

    def save(self, model: "nn.Module", folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        model.save_pretrained(str(folder), safe_serialization=True)  # type: ignore[operator]
        # peft adds a model card for the hub; it restores nothing and is not part of what a task costs on disk.
        (folder / "README.md").unlink(missing_ok=True)

    def load(self, model: "nn.Module", folder: Path, *, task_kind: str) -> "nn.Module":
        from peft import PeftModel

        loaded: nn.Module = PeftModel.from_pretrained(model, str(folder))
        return loaded.eval()
