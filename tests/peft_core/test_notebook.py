"""From one call to a served model: what a person does in a notebook."""

import csv
import shutil
from itertools import islice
from pathlib import Path

import pytest
import torch

from peft_core import Budget, FineTuned, Served, Splits, fine_tune, merge_into
from peft_core.deploy import NotARun
from peft_core.errors import NotOffered
from peft_core.spec import TaskSpec

TEXTS = ["what a lovely day", "this is the worst thing i have ever seen", "so happy for you all"]
SPLITS = Splits(train=48, validation=24, test=24)
BUDGET = Budget(steps=12, batch_size=8, max_length=32, evaluations=1)


@pytest.fixture(scope="module")
def dataset(tweets: TaskSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV of one's own with other column names."""
    path = tmp_path_factory.mktemp("own") / "reviews.csv"
    with tweets.dataset.open(encoding="utf-8", newline="") as source, path.open("w", encoding="utf-8") as target:
        writer = csv.writer(target)
        writer.writerow(["review", "mood"])
        writer.writerows([row["text"], row["label"]] for row in islice(csv.DictReader(source), 300))
    return path


def tuned(dataset: Path, folder: Path, method: str, seed: int = 0) -> FineTuned:
    return fine_tune(
        folder=folder,
        dataset=dataset,
        text="review",
        label="mood",
        splits=SPLITS,
        method=method,
        budget=BUDGET,
        seed=seed,
    )


@pytest.fixture(scope="module")
def lora(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> FineTuned:
    return tuned(dataset, tmp_path_factory.mktemp("lora"), "lora")


@pytest.fixture(scope="module")
def adapter(dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> FineTuned:
    return tuned(dataset, tmp_path_factory.mktemp("adapter"), "adapter", seed=1)


def logits(served: Served) -> torch.Tensor:
    torch.manual_seed(0)
    tokens = torch.randint(1000, 2000, (2, 12))
    with torch.no_grad():
        answer: torch.Tensor = served.model(input_ids=tokens, attention_mask=torch.ones_like(tokens)).logits
    return answer


def test_a_call_gives_measurements_curves_and_a_model_that_answers(lora: FineTuned) -> None:
    assert lora.measurements["task_performance"].value is not None
    assert lora.measurements["trainable_parameters"].value == 147_456
    assert [step for step, _ in lora.curves["train_loss"]] == list(range(1, 13))
    assert {*Served(lora.folder).answer(TEXTS)} <= {"positive", "negative"}


def test_adapters_are_switched_on_one_base_and_back(lora: FineTuned, adapter: FineTuned) -> None:
    first, second = Served(lora.folder), Served(adapter.folder)
    serving = Served(lora.folder)
    base = next(tensor for name, tensor in serving.model.named_parameters() if "word_embeddings" in name)
    for folder, alone in ((adapter.folder, second), (lora.folder, first), (adapter.folder, second)):
        serving.switch(folder)
        assert torch.equal(logits(serving), logits(alone))
    again = next(tensor for name, tensor in serving.model.named_parameters() if "word_embeddings" in name)
    assert again.data_ptr() == base.data_ptr(), "the base model stayed in memory"


def test_a_merged_model_is_loaded_without_peft_and_answers_the_same(lora: FineTuned, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    merged = AutoModelForSequenceClassification.from_pretrained(str(merge_into(lora.folder, tmp_path / "merged")))
    assert type(merged).__name__ == "BertForSequenceClassification"
    tokens = torch.randint(1000, 2000, (2, 12), generator=torch.Generator().manual_seed(1))
    mask = torch.ones_like(tokens)
    with torch.no_grad():
        ours = Served(lora.folder).model(input_ids=tokens, attention_mask=mask).logits
        assert torch.allclose(merged.eval()(input_ids=tokens, attention_mask=mask).logits, ours, atol=1e-4)


def test_the_adapter_of_a_peft_method_is_one_that_peft_loads(lora: FineTuned, minilm: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification

    base = AutoModelForSequenceClassification.from_pretrained(
        str(minilm), num_labels=2, attn_implementation="eager", dtype=torch.float32
    )
    loaded = PeftModel.from_pretrained(base, str(lora.folder / "adapter")).eval()
    ours = Served(lora.folder)
    tokens = torch.randint(1000, 2000, (2, 12), generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        theirs = loaded(input_ids=tokens, attention_mask=torch.ones_like(tokens)).logits
        assert torch.equal(theirs, ours.model(input_ids=tokens, attention_mask=torch.ones_like(tokens)).logits)


def test_what_cannot_be_done_is_refused_with_the_reason(adapter: FineTuned, tmp_path: Path) -> None:
    with pytest.raises(NotOffered, match="Adapter cannot be merged"):
        merge_into(adapter.folder, tmp_path / "merged")
    with pytest.raises(NotARun, match=r"holds no run\.json"):
        Served(tmp_path)


def test_the_example_of_the_documentation_runs(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (Path(__file__).parents[2] / "docs" / "notebook.md").read_text(encoding="utf-8")
    example = text.split("```python\n")[1].split("```")[0]
    shutil.copy(dataset, tmp_path / "reviews.csv")
    monkeypatch.chdir(tmp_path)
    exec(compile(example, "docs/notebook.md", "exec"), {})
    score, _, answers = capsys.readouterr().out.splitlines()
    assert 0 <= float(score) <= 1
    assert answers in ("['positive']", "['negative']")
    assert (tmp_path / "out" / "merged" / "model.safetensors").is_file()
