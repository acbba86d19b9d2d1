"""How the suites of Hugging Face's method comparison are scored, and their results as measurements of ours."""

import statistics
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from app.language import mark
from app.services.comparability import tokens_a_step
from app.services.imports.hf_result import Entry, HfResult
from peft_core.compare.recommend import QUALITY
from peft_core.spec import Measurement, Point
from peft_core.task import PublishedScore

GSM8K_TEST_ITEMS = 1_319


@dataclass(frozen=True)
class Suite:
    """What all results of one suite have in common. test_items: over how many its score is a counted share."""

    kind: str
    valid: str
    test: str
    score: PublishedScore
    metrics: tuple[str, ...]
    test_items: int | None = None
    peak_of: str = "training"
    details: dict[str, dict[str, Any]] = field(default_factory=dict)


COSTS = ("trainable_parameters", "storage_bytes", "training_speed", "peak_memory")
METAMATHQA = Suite(
    kind="generation",
    valid="valid_accuracy",
    test="test_accuracy",
    score=PublishedScore(
        headline=mark("exact match"),
        better="higher",
        quantity="fraction",
        score_meaning=mark(
            "Share of GSM8K's 1,319 test problems whose written answer ends in the right number. How answers were"
            " decoded is not recorded beyond their greatest length."
        ),
        chance_level=0.0,
    ),
    metrics=(QUALITY, *COSTS, "forgetting"),
    test_items=GSM8K_TEST_ITEMS,
    peak_of="training and evaluation",
    details={"forgetting": {"texts": 100, "text": "Wikipedia"}},
)
ACCURACY = Suite(
    kind="published",
    valid="valid_accuracy",
    test="test_accuracy",
    score=PublishedScore(
        headline=mark("accuracy"),
        better="higher",
        quantity="fraction",
        score_meaning=mark(
            "Share of test items that were right; of how many, and what chance scores, is not recorded."
        ),
    ),
    metrics=(QUALITY, *COSTS, "forgetting"),
)
IMAGES = Suite(
    kind="image_generation",
    valid="valid_similarity",
    test="test_similarity",
    score=PublishedScore(
        headline=mark("DINOv2 similarity"),
        better="higher",
        quantity="coefficient",
        score_meaning=mark(
            "Mean cosine similarity, -1 to 1, of generated images and the test images in the features of DINOv2."
        ),
    ),
    metrics=(QUALITY, "trainable_parameters", "storage_bytes", "peak_memory", "drift"),
)
BY_FOLDER = {"MetaMathQA": METAMATHQA, "image-gen": IMAGES}


def suite_of_kind(kind: str) -> Suite:
    """The suite that a study of imported results was made with."""
    return next(suite for suite in (METAMATHQA, ACCURACY, IMAGES) if suite.kind == kind)


def suite_of(result: HfResult, folder: str | None) -> Suite | None:
    """How a result is scored, by what it was tested or validated with, else by its folder; None where nothing says."""
    named = {name for entry in result.training.metrics or [] for name in entry.model_fields_set}
    if named & {"test_similarity", "valid_similarity"}:
        return IMAGES
    if named & {"test_accuracy", "valid_accuracy"}:
        return METAMATHQA if folder == "MetaMathQA" or "gsm8k" in (result.meta.dataset_info or {}) else ACCURACY
    return BY_FOLDER.get(folder or "")


def folder_of(suite: Suite) -> str | None:
    """The folder that results of a suite are published in."""
    return next((name for name, known in BY_FOLDER.items() if known is suite), None)


def measurements_of(result: HfResult, suite: Suite) -> list[Measurement]:
    """Every metric of the suite, those without a value with the reason; nothing of a run that did not end well."""
    if result.training.status != "success":
        return []
    return [_measured(metric, result, suite) for metric in suite.metrics]


def _measured(metric: str, result: HfResult, suite: Suite) -> Measurement:
    value, detail = _VALUES[metric](result, suite)
    if value is None:
        return Measurement(metric=metric, value=None, detail={"missing": detail.get("missing", NOT_SAID)})
    return Measurement(metric=metric, value=value, detail=detail | suite.details.get(metric, {}))


NOT_SAID = mark("the imported file has no value of it")
Found = tuple[float | None, dict[str, Any]]


def _quality(result: HfResult, suite: Suite) -> Found:
    if result.test is None:
        return None, {"missing": mark("the imported file has no entry of the test")}
    detail: dict[str, Any] = {"score": suite.score.headline}
    if suite.test_items is not None:
        detail |= {"items": suite.test_items, "counted_items": suite.test_items}
    return getattr(result.test, suite.test), detail


def _trainable(result: HfResult, _suite: Suite) -> Found:
    return result.training.num_trainable_params, {"total_parameters": result.training.num_total_params}


def _storage(result: HfResult, _suite: Suite) -> Found:
    if result.training.file_size is None:
        return None, {"missing": mark("the size of the saved adapter could not be determined where it was run")}
    if result.run.peft_config is None:
        return result.training.file_size, {
            "note": mark("Estimated where it was published: parameters x bytes per number.")
        }
    return result.training.file_size, {"how": "size of the saved adapter"}


def _speed(result: HfResult, _suite: Suite) -> Found:
    told = [entry.tokens_per_second for entry in result.validations if entry.tokens_per_second is not None]
    if not told:
        return None, {"missing": mark("tokens a second are not in the imported file")}
    how = "median of the tokens a second of training told at every validation"
    return statistics.median(told), {"how": how, "validations": len(told)}


def _peak(result: HfResult, suite: Suite) -> Found:
    training = result.training
    return training.accelerator_memory_max, {
        "counter": "reserved on the device at most, less what was reserved at the start",
        "span": suite.peak_of,
        "reserved_mean_bytes": training.accelerator_memory_reserved_avg,
        "reserved_99th_percentile_bytes": training.accelerator_memory_reserved_99th,
    }


def _forgetting(result: HfResult, _suite: Suite) -> Found:
    return result.test.forgetting if result.test else None, {}


def _drift(result: HfResult, _suite: Suite) -> Found:
    return result.test.drift if result.test else None, {}


_VALUES = {
    QUALITY: _quality,
    "trainable_parameters": _trainable,
    "storage_bytes": _storage,
    "training_speed": _speed,
    "peak_memory": _peak,
    "forgetting": _forgetting,
    "drift": _drift,
}


def points_of(result: HfResult, suite: Suite) -> list[Point]:
    """The validations as the series that runs of ours have; training seconds are summed up on the way."""
    found = {(point.key, point.step): point for point in _points(result.validations, suite)}
    return list(found.values())


def _points(validations: list[Entry], suite: Suite) -> Iterator[Point]:
    trained: float | None = 0.0
    for entry in validations:
        seconds = entry.train_seconds
        trained = None if trained is None or seconds is None else trained + seconds
        told = {
            "train_loss": entry.train_loss,
            "validation_score": getattr(entry, suite.valid),
            "train_seconds": trained,
            "tokens_per_second": entry.tokens_per_second,
        }
        if entry.step is not None:
            yield from (
                Point(key=key, step=entry.step, value=value) for key, value in told.items() if value is not None
            )


def validation_score(result: HfResult, suite: Suite) -> float | None:
    """The last validation's score."""
    return next(
        (score for entry in reversed(result.validations) if (score := getattr(entry, suite.valid)) is not None), None
    )


def environment_of(result: HfResult) -> dict[str, Any]:
    """What the numbers depend on, under the names that runs of ours use; what the file does not say is left out."""
    config, system = result.config, result.meta.system_info or {}
    accelerator = system.get("accelerator")
    found: dict[str, Any] = {
        "device": "cuda" if isinstance(accelerator, str) and "NVIDIA" in accelerator else None,
        "device_name": accelerator,
        "platform": " ".join(str(system[name]) for name in ("system", "release", "machine") if system.get(name))
        or None,
        "precision": {"bfloat16": "bf16", "float32": "fp32"}.get(config.dtype or "", config.dtype),
        "steps": config.max_steps,
        "tokens": None
        if config.batch_size is None or config.max_length is None
        else tokens_a_step(config.batch_size, config.max_length),
        "decoding": config.generation_kwargs,
        "dataset_revision": _revisions(result.meta.dataset_info),
        "base_model": config.model_id,
        "base_model_revision": _revisions(result.meta.model_info),
    }
    found |= {name: version for name in PACKAGES if (version := _version(result, name)) is not None}
    return {name: value for name, value in found.items() if value is not None}


PACKAGES = ("torch", "transformers", "peft", "datasets", "diffusers", "bitsandbytes")


def _version(result: HfResult, package: str) -> str | None:
    """A package's version; of one that was installed from its repository with the commit."""
    told = result.meta.package_info or {}
    version, commit = told.get(f"{package}-version"), told.get(f"{package}-commit-hash")
    if not isinstance(version, str):
        return None
    return f"{version}@{commit[:7]}" if isinstance(commit, str) and commit else version


def _revisions(told: dict[str, Any] | None) -> str | None:
    """The commits of a model or of one or several datasets: {sha: ...}, or the same by name."""
    if not told:
        return None
    if isinstance(told.get("sha"), str):
        return str(told["sha"])
    named = {name: part["sha"] for name, part in told.items() if isinstance(part, dict) and part.get("sha")}
    return ", ".join(f"{name} {sha}" for name, sha in sorted(named.items())) or None
