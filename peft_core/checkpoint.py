"""Checkpoints: what a run needs to go on and end with the same numbers as one that was never interrupted.

Tensors are kept as safetensors and the rest as JSON, so that reading a checkpoint never runs code.
"""

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from peft_core.errors import PeftCoreError

if TYPE_CHECKING:
    from torch import Tensor

    from peft_core.training import Training


class CheckpointNotWritten(PeftCoreError):
    """The disk did not take a checkpoint; the one before it still stands."""


CHECKPOINT = "checkpoint"
"""The folder of checkpoints in a run's folder."""
TENSORS = "tensors.safetensors"
STATE = "state.json"
UNFINISHED = "unfinished"


def save_checkpoint(folder: Path, training: "Training", state: dict[str, JsonValue], kept: "dict[str, Tensor]") -> None:
    """Write a checkpoint of `training` into `folder`, whole or not at all; older ones go.

    `state` and `kept` are the caller's own, given back by `load_checkpoint`. Raises CheckpointNotWritten.
    """
    from safetensors import SafetensorError

    try:
        _write(folder, training, state, kept)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
        raise CheckpointNotWritten(f"the checkpoint of step {training.done} could not be written: {error}") from error


def _write(folder: Path, training: "Training", state: dict[str, JsonValue], kept: "dict[str, Tensor]") -> None:
    from safetensors.torch import save_file

    unfinished, finished = folder / UNFINISHED, folder / f"step-{training.done:09d}"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    save_file(_tensors(training) | _prefixed("kept", kept), unfinished / TENSORS)
    written = {"done": training.done, "groups": _groups(training), "state": state}
    (unfinished / STATE).write_text(json.dumps(written), encoding="utf-8")
    for path in (unfinished / TENSORS, unfinished / STATE, unfinished):
        synchronise(path)
    unfinished.rename(finished)
    synchronise(folder)
    for older in folder.glob("step-*"):
        if older != finished:
            shutil.rmtree(older)


def load_checkpoint(folder: Path, training: "Training") -> "tuple[dict[str, JsonValue], dict[str, Tensor]] | None":
    """Put the newest checkpoint of `folder` into a freshly made `training`; the caller's `state` and `kept` tensors.

    None where there is no checkpoint.
    """
    import torch
    from safetensors.torch import load_file

    found = sorted(folder.glob("step-*"))
    if not found:
        return None
    written: dict[str, Any] = json.loads((found[-1] / STATE).read_text(encoding="utf-8"))
    tensors = load_file(found[-1] / TENSORS)
    load_trained_tensors(training, _under("model", tensors))
    _restore_optimizer(training, _under("optimizer", tensors), written["groups"])
    training.loop.method.restore_training_state(training.model, _under("method", tensors))
    training.done = written["done"]
    training.schedule.last_epoch = training.done
    for device, random_state in _under("random", tensors).items():
        (torch.set_rng_state if device == "cpu" else torch.cuda.set_rng_state)(random_state)
    return written["state"], _under("kept", tensors)


def synchronise(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def adopt_checkpoint(earlier: Sequence[Path], folder: Path) -> None:
    """Copy the furthest checkpoint of earlier attempts' checkpoint folders into `folder`, which has none of its own.

    A copy, for an attempt that was given up may still be writing there, and take away what it has replaced meanwhile.
    """
    found = sorted((path for old in earlier for path in old.glob("step-*")), key=lambda path: path.name, reverse=True)
    for checkpoint in found:
        try:
            # Under its name only when it is whole: who is killed on the way leaves nothing that looks like one.
            shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
            shutil.copytree(checkpoint, folder / UNFINISHED)
            (folder / UNFINISHED).rename(folder / checkpoint.name)
        except (OSError, shutil.Error):
            shutil.rmtree(folder / UNFINISHED, ignore_errors=True)
            continue
        return


def trained_tensors(training: "Training") -> "dict[str, Tensor]":
    """A copy of every tensor that training moves, by its path in the model."""
    return {name: tensor.detach().clone() for name, tensor in _trained(training).items()}


def load_trained_tensors(training: "Training", tensors: "dict[str, Tensor]") -> None:
    """Put such a copy back."""
    import torch

    trained = _trained(training)
    with torch.no_grad():
        for name, tensor in tensors.items():
            trained[name].copy_(tensor)


def _trained(training: "Training") -> "dict[str, Tensor]":
    return {name: tensor for name, tensor in training.model.named_parameters() if tensor.requires_grad}


def _tensors(training: "Training") -> "dict[str, Tensor]":
    import torch

    random = {"cpu": torch.get_rng_state()}
    if training.loop.device.type == "cuda":
        random["cuda"] = torch.cuda.get_rng_state(training.loop.device)
    moments = {
        f"{index}.{name}": tensor
        for index, found in training.optimizer.state_dict()["state"].items()
        for name, tensor in found.items()
    }
    return (
        _prefixed("model", trained_tensors(training))
        | _prefixed("optimizer", moments)
        | _prefixed("method", training.loop.method.training_state(training.model))
        | _prefixed("random", random)
    )


def _groups(training: "Training") -> list[dict[str, JsonValue]]:
    """The optimizer's settings, by which it goes on at the same learning rates."""
    groups = training.optimizer.state_dict()["param_groups"]
    return [{name: value for name, value in group.items() if name != "params"} for group in groups]


def _restore_optimizer(training: "Training", moments: "dict[str, Tensor]", groups: list[dict[str, Any]]) -> None:
    fresh = training.optimizer.state_dict()
    state: dict[int, dict[str, Tensor]] = {}
    for path, tensor in moments.items():
        index, name = path.split(".", 1)
        state.setdefault(int(index), {})[name] = tensor
    param_groups = [saved | {"params": own["params"]} for saved, own in zip(groups, fresh["param_groups"], strict=True)]
    training.optimizer.load_state_dict({"state": state, "param_groups": param_groups})


def _prefixed(prefix: str, tensors: "dict[str, Tensor]") -> "dict[str, Tensor]":
    return {f"{prefix}/{name}": tensor.detach().contiguous().cpu().clone() for name, tensor in tensors.items()}


def _under(prefix: str, tensors: "dict[str, Tensor]") -> "dict[str, Tensor]":
    return {name.split("/", 1)[1]: tensor for name, tensor in tensors.items() if name.startswith(f"{prefix}/")}
