"""One published file: what is read of it, what is missing, and what is refused."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.db.session import strict_json
from app.schemas import LARGEST_RESULT_BYTES
from app.services.imports.hf_methods import method_of
from app.services.imports.hf_result import RefusedResult, parse_result
from app.services.imports.hf_scores import IMAGES, METAMATHQA, environment_of, measurements_of, points_of, suite_of
from tests.app.services.imports.result_files import changed, image_result, result


def parsed(document: dict[str, Any]) -> Any:
    return parse_result(json.dumps(document).encode())


def values(document: dict[str, Any]) -> dict[str, float | None]:
    found = parsed(document)
    suite = suite_of(found, None)
    assert suite is not None
    return {measured.metric: measured.value for measured in measurements_of(found, suite)}


def test_a_result_becomes_our_metrics_in_si_units() -> None:
    assert values(result()) == {
        "task_performance": 660 / 1319,
        "trainable_parameters": 9_175_040,
        "storage_bytes": 36_715_216,
        "training_speed": 7_200.0,
        "peak_memory": 22_000_000_000,
        "forgetting": 0.05,
    }
    assert values(image_result()) == {
        "task_performance": 0.58,
        "trainable_parameters": 9_175_040,
        "storage_bytes": 36_715_216,
        "peak_memory": 22_000_000_000,
        "drift": 0.27,
    }


def test_what_a_metric_means_there_is_said() -> None:
    details = {found.metric: found.detail for found in measurements_of(parsed(result()), METAMATHQA)}
    assert details["task_performance"]["counted_items"] == 1_319
    assert details["peak_memory"]["span"] == "training and evaluation"
    assert "reserved" in details["peak_memory"]["counter"]
    assert "median" in details["training_speed"]["how"]
    full = measurements_of(parsed(result(run_info__peft_config=None)), METAMATHQA)
    assert [found.detail["note"][:9] for found in full if "note" in found.detail] == ["Estimated"]


def test_the_validations_become_series_with_the_seconds_summed_up() -> None:
    found = {(point.key, point.step): point.value for point in points_of(parsed(result()), METAMATHQA)}
    assert (found["train_seconds", 2500], found["train_seconds", 5000]) == (290.0, 580.0)
    assert (found["validation_score", 5000], found["tokens_per_second", 2500]) == (0.5, 7_300.0)
    assert len(found) == 8


@pytest.mark.parametrize("token", ["NaN", "Infinity", "-Infinity", "1e999", "null"])
def test_what_is_no_number_is_missing_and_leaves_strict_json(token: str) -> None:
    text = json.dumps(image_result()).replace('"drift": 0.27', f'"drift": {token}')
    found = parse_result(text.encode())
    drift = {measured.metric: measured for measured in measurements_of(found, IMAGES)}["drift"]
    assert drift.value is None
    assert drift.detail["missing"]
    json.loads(strict_json(found.document), parse_constant=pytest.fail)


def test_the_size_that_stands_for_undetermined_is_missing() -> None:
    found = parsed(result(train_info__file_size=99_999_999))
    storage = {measured.metric: measured for measured in measurements_of(found, METAMATHQA)}["storage_bytes"]
    assert storage.value is None
    assert "could not be determined" in str(storage.detail["missing"])
    assert "99999999" not in json.dumps(found.document)


def test_fields_that_nobody_knows_are_kept() -> None:
    document = result() | {"weather": {"at": [1, "north"]}}
    document["run_info"]["peft_config"]["new_knob"] = 7
    assert parsed(document).document == document


def test_the_same_content_has_the_same_hash_whatever_its_order_and_spacing() -> None:
    document = result()
    shuffled = {name: document[name] for name in reversed(document)}
    assert parse_result(json.dumps(shuffled, indent=3).encode()).sha256 == parsed(document).sha256
    assert parsed(result(train_info__file_size=1)).sha256 != parsed(document).sha256


def test_what_may_be_null_is_null() -> None:
    bare = result(meta_info=None, run_info__train_config=None, run_info__peft_config=None, run_info__created_at=None)
    found = parsed(bare)
    assert environment_of(found) == {}
    assert method_of(found).key == "full"
    assert found.test is not None


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is not JSON"),
        (json.dumps(result()).encode()[:700], "was cut off"),
        (b"[1, 2]", "holds a list"),
        (b"3", "holds a number"),
        (b"null", "holds nothing"),
        (b"\xff\xfe{}", "is not UTF-8"),
        (json.dumps(result()).encode("utf-16"), "is not UTF-8"),
        (b"[" * 200_000, "nested deeper"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "nested deeper"),
        (b'{"a": ' + b"9" * 5_000 + b"}", "more digits"),
        (b'{"a": ' + b"9" * 30 + b"}", "more digits"),
        (b'{"a": "\\u0000"}', "no valid Unicode"),
        (b'{"a": "\\ud800"}', "no valid Unicode"),
        (b'{"\\udc00": 1}', "no valid Unicode"),
        (b" " * (LARGEST_RESULT_BYTES + 1), "is larger than"),
        (b"{}", "run_info: field required"),
    ],
    ids=range(16),
)
def test_what_is_no_result_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(RefusedResult, match=said):
        parse_result(data)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"run_info": None}, "run_info"),
        ({"train_info": []}, "train_info"),
        ({"meta_info": 3}, "meta_info"),
        ({"run_info__experiment_name": 5}, "run_info.experiment_name"),
        ({"run_info__experiment_name": ""}, "run_info.experiment_name"),
        ({"run_info__experiment_name": "  "}, "run_info.experiment_name"),
        ({"run_info__experiment_name": "a\nb"}, "run_info.experiment_name"),
        ({"run_info__experiment_name": "x" * 201}, "run_info.experiment_name"),
        ({"run_info__peft_config": "LORA"}, "run_info.peft_config"),
        ({"run_info__train_config__max_steps": "5000"}, "run_info.train_config.max_steps"),
        ({"run_info__train_config__max_steps": 2**40}, "run_info.train_config.max_steps"),
        ({"run_info__train_config__seed": -1}, "run_info.train_config.seed"),
        ({"run_info__train_config__batch_size": True}, "run_info.train_config.batch_size"),
        ({"run_info__train_config__optimizer_kwargs": {"lr": "0.1"}}, "optimizer_kwargs.lr"),
        ({"run_info__total_time": -3.0}, "run_info.total_time"),
        ({"train_info__status": "done"}, "train_info.status"),
        ({"train_info__status": None}, "train_info.status"),
        ({"train_info__metrics": {}}, "train_info.metrics"),
        ({"train_info__metrics": [3]}, "train_info.metrics.0"),
        ({"train_info__metrics": [{"step": 5, "test accuracy": 47.8}]}, "train_info.metrics.0.test accuracy"),
        ({"train_info__metrics": [{"step": 5, "test accuracy": "0.4"}]}, "train_info.metrics.0.test accuracy"),
        ({"train_info__metrics": [{"step": 2**31, "valid accuracy": 0.1}]}, "train_info.metrics.0.step"),
        ({"train_info__file_size": -1}, "train_info.file_size"),
        ({"train_info__num_trainable_params": "many"}, "train_info.num_trainable_params"),
        ({"train_info__accelerator_memory_max": [1]}, "train_info.accelerator_memory_max"),
    ],
)
def test_a_wrong_type_or_value_is_refused_by_its_place(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(RefusedResult, match=said.replace(".", r"\.")):
        parsed(changed(result(), **changes))


@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_no_bytes_do_anything_but_being_refused(data: bytes) -> None:
    with pytest.raises(RefusedResult):
        parse_result(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
PLACES = [
    *(
        "run_info",
        "train_info",
        "meta_info",
        "run_info__experiment_name",
        "run_info__created_at",
        "run_info__total_time",
    ),
    *("run_info__train_config", "run_info__peft_config", "train_info__metrics", "train_info__file_size"),
    *("run_info__train_config__optimizer_kwargs", "run_info__train_config__dtype", "meta_info__dataset_info"),
    *("meta_info__package_info", "meta_info__system_info", "meta_info__model_info", "train_info__status"),
    *("run_info__peft_config__peft_type", "run_info__peft_config__target_modules", "run_info__peft_config__r"),
]


@given(place=st.sampled_from(PLACES), value=JSON)
def test_whatever_stands_at_a_known_place_is_read_or_refused(place: str, value: Any) -> None:
    """And what is read can be kept: a strict JSON document, measurements and an environment."""
    try:
        found = parsed(changed(result(), **{place: value}))
        method = method_of(found)
    except RefusedResult:
        return
    suite = suite_of(found, "MetaMathQA")
    assert suite is not None
    kept = [found.document, environment_of(found), method.hyperparameters]
    kept += [measured.model_dump() for measured in measurements_of(found, suite)]
    assert json.loads(strict_json(kept)) == json.loads(json.dumps(kept, allow_nan=False))
