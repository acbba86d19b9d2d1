"""The documents say what is true: their examples work, their links and trees exist."""

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

import peft_core.methods
from app.schemas import StudyDocument
from app.settings import Settings
from docs.reference.methods import pages
from peft_core import assets
from peft_core.method import Method, methods
from peft_core.model_shape import read_model_shape
from tests.dependencies import ROOT

DOCUMENTS = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def block(name: str, language: str) -> str:
    """The first code block in `language`."""
    found = re.search(rf"^```{language}\n(.*?)^```", read(name), flags=re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Iterator[type[Method]]:
    """CONTRIBUTING's method, dropped among the others in a copy of their folder."""
    methods()  # Loaded from where they are; only the new file is loaded from the copy.
    folder = shutil.copytree(peft_core.methods.__path__[0], tmp_path_factory.mktemp("core") / "methods")
    (folder / "bias_only.py").write_text(block("CONTRIBUTING.md", "python"), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(peft_core.methods, "__path__", [str(folder)])
        yield methods()["bias_only"]
    sys.modules.pop("peft_core.methods.bias_only")
    vars(peft_core.methods).pop("bias_only")


def load_base() -> tuple[Any, Path]:
    from transformers import AutoModelForSequenceClassification

    folder = assets.base_models()["minilm"].folder
    return AutoModelForSequenceClassification.from_pretrained(folder, num_labels=2, local_files_only=True), folder


def test_contributing_opens_with_a_method_in_one_file() -> None:
    headings = [line for line in read("CONTRIBUTING.md").splitlines() if line.startswith("## ")]
    assert headings[0] == "## Add a method in one file"


def test_the_method_of_contributing_trains_what_its_formula_counts(example: type[Method]) -> None:
    from peft_core.head import is_head

    model, folder = load_base()
    method = example()
    shape = read_model_shape(folder)
    method.check(shape, task_kind="classification", max_length=64)
    attached = method.attach(model, task_kind="classification", total_steps=10)
    trained = [p.numel() for name, p in attached.named_parameters() if p.requires_grad and not is_head(name)]
    assert sum(trained) == method.trainable_parameters(shape)


def test_the_method_of_contributing_restores_what_it_saved(example: type[Method], tmp_path: Path) -> None:
    import torch

    method = example()
    model, _ = load_base()
    trained = method.attach(model, task_kind="classification", total_steps=10).eval()
    with torch.no_grad():
        for parameter in trained.parameters():
            if parameter.requires_grad:
                parameter.add_(0.01)
    method.save(trained, tmp_path / "adapter")
    restored = method.load(load_base()[0], tmp_path / "adapter", task_kind="classification")
    tokens = torch.arange(1_000, 1_012).reshape(2, 6)
    with torch.no_grad():
        assert torch.equal(restored(input_ids=tokens).logits, trained(input_ids=tokens).logits)


def test_the_method_of_contributing_has_a_page_in_the_reference(example: type[Method]) -> None:
    page = pages()["methods/bias_only.md"]
    assert example.trains in page
    assert "The numbers in all bias vectors." in page


def test_the_study_of_the_readme_is_a_study() -> None:
    document = StudyDocument.model_validate(YAML(typ="safe", pure=True).load(block("README.md", "yaml")))
    assert document.methods[0].learning_rates == [1e-3, 3e-3, 1e-2]
    assert {entry.method for entry in document.methods} <= methods().keys()


def test_the_study_of_the_quickstart_is_that_of_the_readme() -> None:
    assert block("docs/quickstart.md", "yaml") == block("README.md", "yaml")


def test_the_variables_of_the_readme_are_settings() -> None:
    named = set(re.findall(r"PEFT_ATLAS_([A-Z_]+)", read("README.md")))
    assert named
    assert named <= {field.upper() for field in Settings.model_fields}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_to_files(name: str) -> None:
    linked = re.findall(r"\]\((?!https?:)([^)#]+)", read(name))
    assert [target for target in linked if not (ROOT / target).is_file()] == []


def test_the_tree_of_the_architecture_is_the_tree() -> None:
    tree = block("ARCHITECTURE.md", "")
    missing, package = [], ""
    for line in tree.splitlines():
        if not line.startswith(" "):
            package = line.split()[0]
        named = re.findall(r"(?:^| {2,})([a-z_]+(?:\.py|/)|[a-z_]+/(?= ))", line)
        named += re.findall(r"contract, ([a-z_]+/)", line)
        missing += [name for name in named if not (ROOT / name).exists() and not (ROOT / package / name).exists()]
    assert missing == []


def test_every_module_of_the_product_has_its_place_in_the_architecture() -> None:
    text = read("ARCHITECTURE.md")
    modules = [path.name for path in (ROOT / "app").glob("*.py") if path.name != "__init__.py"]
    assert [name for name in modules if name not in text and name.removesuffix(".py") not in text] == []
