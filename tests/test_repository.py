"""What the tracked files may hold, read from the files and their syntax trees."""

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from peft_core.tasks._loading import load_options
from tests.dependencies import ROOT

SELF = Path(__file__).relative_to(ROOT)

EXPECTED = (
    ".ci/run",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Dockerfile",
    "LICENSE",
    "Makefile",
    "README.md",
    "docker-compose.yml",
    "requirements.lock",
)
MACHINE_PATH = re.compile(
    r"(?<![\w.$~{}*])/(?:home|Users)/\w"
    r"|(?<![\w.$~{}*/:])/(?:root|work|farm|tmp)/\w"
    r"|[A-Z]:\\Users\\"
)
REGISTRY = re.compile(
    r"https?://(?:files\.pythonhosted|(?:test\.)?pypi\.org|registry\.npmjs|deb\.debian)", re.IGNORECASE
)

UNSAFE_MODULES = {"pickle", "cPickle", "_pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}
UNSAFE_CALLS = {"torch.load", "torch.save", "np.load", "numpy.load", "pd.read_pickle"}
ENVIRONMENT = {"os.environ", "os.getenv", "os.putenv", "os.environb"}
RUNS_TEXT = {"eval", "exec", "os.system", "os.popen", "yaml.load", "yaml.unsafe_load", "yaml.full_load"}
OPTIONS_SAY_IT = {
    "peft_core/assets/models/smollm2.py": "its dictionary holds local_files_only",
    "peft_core/metrics/_masked_language.py": "load_options() of the tasks holds it",
    "peft_core/tasks/_language.py": "load_options() of the tasks holds it",
    "peft_core/tasks/_loading.py": "load_options() of the tasks holds it",
}
MAY_TOUCH_ENVIRONMENT = {
    "app/settings.py": "reads every setting of the product",
    "app/worker/executors/local.py": "sets what the processes of runs inherit",
    "app/cli/processes.py": "asks whether there is a screen to open a browser on",
}


def tracked() -> list[Path]:
    """The files git tracks, or would once added."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [Path(name) for name in listed if (ROOT / name).is_file()]


def texts() -> Iterator[tuple[Path, str]]:
    """Every tracked text file but this one, which spells what it looks for."""
    for path in tracked():
        try:
            yield path, (ROOT / path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def found(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path}:{number}: {line.strip()[:100]}"
        for path, text in texts()
        if path != SELF
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


@cache
def product_trees() -> list[tuple[str, ast.Module]]:
    """Every file of the product, parsed once for all that look through them."""
    return [
        (path.as_posix(), ast.parse(text))
        for path, text in texts()
        if path.suffix == ".py" and path.parts[0] in {"app", "peft_core"}
    ]


def unpickles(tree: ast.Module) -> Iterator[int]:
    """Lines that import or call what can run code hidden in a file."""
    for node in ast.walk(tree):
        imported = []
        if isinstance(node, ast.Import):
            imported = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            imported = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Attribute):
            imported = [ast.unparse(node)]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            # A module may also be imported by its name.
            imported = [node.value]
        for name in imported:
            if name.split(".")[0] in UNSAFE_MODULES or name in UNSAFE_CALLS:
                yield getattr(node, "lineno", 0)


def touches_environment(tree: ast.Module) -> Iterator[int]:
    """Lines that read or set environment variables."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node) in ENVIRONMENT:
            yield node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module == "os":
            yield from (node.lineno for alias in node.names if f"os.{alias.name}" in ENVIRONMENT)


def trusts_remote_code(tree: ast.Module) -> Iterator[int]:
    """Lines that mention `trust_remote_code` with anything but the constant False."""
    for node in ast.walk(tree):
        refused = isinstance(node, ast.keyword) and isinstance(node.value, ast.Constant) and node.value.value is False
        named = isinstance(node, ast.keyword) and node.arg == "trust_remote_code"
        spelled = isinstance(node, ast.Constant) and node.value == "trust_remote_code"
        if (named and not refused) or spelled:
            yield getattr(node, "lineno", 0)


def runs_text(tree: ast.Module) -> Iterator[int]:
    """Lines that run a text as code or as a shell's command, or read YAML that may build any object."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        options = {word.arg: word.value for word in node.keywords}
        shell = options.get("shell", ast.Constant(False))
        kind = options.get("typ", ast.Constant("safe"))
        unsafe = ast.unparse(node.func) == "YAML" and ast.unparse(kind) != "'safe'"
        if ast.unparse(node.func) in RUNS_TEXT or unsafe or ast.unparse(shell) != "False":
            yield node.lineno


def may_download(tree: ast.Module) -> Iterator[int]:
    """Lines that load a model or tokenizer and do not say that only what is on this machine may be read. Those of the
    peft library are given folders that a run has written."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        if node.func.attr != "from_pretrained" or ast.unparse(node.func.value).startswith("Peft"):
            continue
        said = {ast.unparse(word) for word in node.keywords}
        if "local_files_only=True" not in said:
            yield node.lineno


Finder = Callable[[ast.Module], Iterator[int]]


def lines_with(finder: Finder) -> list[str]:
    return [f"{path}:{line}" for path, tree in product_trees() for line in finder(tree)]


def test_the_files_a_reader_expects_are_there() -> None:
    assert [name for name in EXPECTED if not (ROOT / name).is_file()] == []
    assert "Apache License" in (ROOT / "LICENSE").read_text(encoding="utf-8")


def test_no_path_of_a_developers_machine() -> None:
    assert found(MACHINE_PATH) == []


def test_no_registry_host() -> None:
    assert found(REGISTRY) == []


def test_no_file_can_run_code_by_being_loaded() -> None:
    assert lines_with(unpickles) == []


def test_no_model_brings_its_own_code() -> None:
    assert lines_with(trusts_remote_code) == []


def test_no_text_is_run() -> None:
    assert lines_with(runs_text) == []


def test_no_model_is_loaded_from_anywhere_but_this_machine() -> None:
    loading = {place.split(":")[0] for place in lines_with(may_download)}
    assert loading == OPTIONS_SAY_IT.keys()
    assert load_options()["local_files_only"] is True


def test_only_the_settings_read_the_environment() -> None:
    touching = {place.split(":")[0] for place in lines_with(touches_environment)}
    assert touching - MAY_TOUCH_ENVIRONMENT.keys() == set()


@pytest.mark.parametrize(
    ("finder", "source"),
    [
        (unpickles, "import pickle"),
        (unpickles, "from pickle import loads"),
        (unpickles, "from torch import load"),
        (unpickles, "import torch\ntorch.load('weights.pt')"),
        (unpickles, "__import__('joblib')"),
        (touches_environment, "import os\nos.environ['HOME']"),
        (touches_environment, "from os import getenv"),
        (runs_text, "eval(formula)"),
        (runs_text, "exec(code)"),
        (runs_text, "import os\nos.system('ls')"),
        (runs_text, "import yaml\nyaml.load(text)"),
        (runs_text, "YAML(typ='unsafe')"),
        (runs_text, "subprocess.run(command, shell=True)"),
        (runs_text, "subprocess.run(command, shell=flag)"),
        (may_download, "AutoModel.from_pretrained(name)"),
        (may_download, "AutoModel.from_pretrained(name, local_files_only=flag)"),
        (trusts_remote_code, "load(folder, trust_remote_code=True)"),
        (trusts_remote_code, "load(folder, trust_remote_code=flag)"),
        (trusts_remote_code, "load(folder, **{'trust_remote_code': True})"),
    ],
)
def test_what_is_forbidden_is_found(finder: Finder, source: str) -> None:
    assert list(finder(ast.parse(source)))


@pytest.mark.parametrize(
    ("finder", "source"),
    [
        (unpickles, "from safetensors.torch import load_file"),
        (unpickles, "'it never reads a pickle'"),
        (touches_environment, "import os\nos.cpu_count()"),
        (runs_text, "model.eval()"),
        (runs_text, "YAML(typ='safe', pure=True).load(text)"),
        (runs_text, "subprocess.run([program, text], shell=False)"),
        (may_download, "AutoModel.from_pretrained(folder, local_files_only=True)"),
        (trusts_remote_code, "load(folder, trust_remote_code=False)"),
    ],
)
def test_what_is_allowed_is_left_alone(finder: Finder, source: str) -> None:
    assert not list(finder(ast.parse(source)))


@pytest.mark.parametrize("folder", ["home", "Users", "root", "work", "tmp"])
@pytest.mark.parametrize("before", ["", 'cd "', "(", "="])
def test_a_developers_path_is_found(before: str, folder: str) -> None:
    assert MACHINE_PATH.search(f"{before}/{folder}/ada/model")


@pytest.mark.parametrize("text", ["var/work/x", "app/tmp/y", "$HOME/work/x", "https://arxiv.org/home", "/api/v1/runs"])
def test_other_paths_are_left_alone(text: str) -> None:
    assert not MACHINE_PATH.search(text)
