"""Which files of a hub's repository a run reads. Never pickled weights, and never code."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from peft_core.dataset_files import MAX_FILE_BYTES, split_of
from peft_core.errors import HubError
from peft_core.spec import HubSource

CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
"""Which of several weights files holds which tensor."""

WEIGHTS = re.compile(r"model(-\d{5}-of-(?P<parts>\d{5}))?\.safetensors")
PICKLED = re.compile(r".*\.(bin|pt|pth|pkl|ckpt|h5|msgpack)")

VOCABULARIES = (
    *("tokenizer.json", "tokenizer.model", "vocab.txt", "vocab.json", "spiece.model", "sentencepiece.bpe.model"),
)
"""A tokenizer has at least one of these."""

LARGEST_CONFIG_BYTES = 1_000_000

BESIDE_WEIGHTS = frozenset(
    {
        *VOCABULARIES,
        *(CONFIG, "generation_config.json", "merges.txt", "added_tokens.json", "special_tokens_map.json"),
        *("tokenizer_config.json", "chat_template.jinja", "chat_template.json"),
    }
)


@dataclass(frozen=True)
class HubFile:
    """A file as the hub lists it: `name` is its path in the repository; the hub knows the hash of large files."""

    name: str
    size_bytes: int
    sha256: str | None = None


@dataclass(frozen=True)
class Snapshot:
    """What a run reads of a repository at one commit. `folder` is where the files lie in the cache, or will lie."""

    source: HubSource
    folder: Path
    files: tuple[HubFile, ...]
    """By their path in the repository; empty where the cache has all of them and not the list."""

    @property
    def missing(self) -> list[HubFile]:
        return [file for file in self.files if not (self.folder / Path(file.name).name).is_file()]

    @property
    def weights_sha256(self) -> str | None:
        """One hash of all weights files, None where the hub does not say theirs."""
        hashes = [file.sha256 for file in self.files if file.name.endswith(".safetensors")]
        return combined_sha256([digest or "" for digest in hashes]) if hashes and all(hashes) else None


def combined_sha256(file_hashes: Sequence[str]) -> str:
    """One hash of several files, given theirs in the order of their names."""
    return hashlib.sha256(bytes.fromhex("".join(file_hashes))).hexdigest()


def model_files(named: str, listed: Sequence[HubFile]) -> tuple[HubFile, ...]:
    """What a base model needs of a repository, its weights last, so that whatever is wrong shows before they come.

    Raises HubError where it has no config.json, no tokenizer, or no safetensors weights.
    """
    files = {file.name: file for file in listed}
    if CONFIG not in files:
        raise HubError(f"{named} has no {CONFIG}. Choose a repository that save_pretrained wrote.")
    if files[CONFIG].size_bytes > LARGEST_CONFIG_BYTES:
        raise HubError(f"{CONFIG} of {named} is larger than {LARGEST_CONFIG_BYTES:,} bytes, which no model's is.")
    if not any(name in files for name in VOCABULARIES):
        raise HubError(
            f"{named} has no tokenizer ({', '.join(VOCABULARIES)}). Choose a repository that brings its own."
        )
    weights = _weights(named, files)
    small = [files[name] for name in sorted(BESIDE_WEIGHTS & files.keys(), key=lambda name: (name != CONFIG, name))]
    return (*small, *weights)


def _weights(named: str, files: dict[str, HubFile]) -> list[HubFile]:
    """The one weights file, or the index and all its parts."""
    if "model.safetensors" in files:
        return [files["model.safetensors"]]
    found = {name: match for name in sorted(files) if (match := WEIGHTS.fullmatch(name))}
    if found and INDEX in files and all(int(match["parts"]) == len(found) for match in found.values()):
        return [files[INDEX], *(files[name] for name in found)]
    pickled = next((name for name in sorted(files) if PICKLED.fullmatch(name)), None)
    what = f", only {pickled}: such files can run code when they are loaded and are never downloaded" if pickled else ""
    raise HubError(
        f"{named} has no complete safetensors weights (model.safetensors){what}. Choose another repository or revision,"
        " or save the model with save_pretrained and give its folder."
    )


def missing_model_file(folder: Path) -> str | None:
    """The first file that `folder` lacks to be a base model, None where it is one."""
    if not (folder / CONFIG).is_file():
        return CONFIG
    if not any((folder / name).is_file() for name in VOCABULARIES):
        return VOCABULARIES[0]
    if (folder / "model.safetensors").is_file():
        return None
    return next((name for name in _parts_of_index(folder) if not (folder / name).is_file()), None)


def _parts_of_index(folder: Path) -> list[str]:
    try:
        written = json.loads((folder / INDEX).read_bytes())
        return [INDEX, *sorted({str(name) for name in written["weight_map"].values()})]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return ["model.safetensors"]


def dataset_files(named: str, listed: Sequence[HubFile], folder: str | None) -> tuple[str, tuple[HubFile, ...]]:
    """The folder of a repository that holds a dataset's splits, and its files.

    `folder` None takes the only one that has any; "" is the top. Raises HubError where there is none, several to choose
    from, or more than a dataset may hold.
    """
    folders: dict[str, list[HubFile]] = {}
    for file in listed:
        path = PurePosixPath(file.name)
        if split_of(path.name) is not None and ".." not in path.parts:
            folders.setdefault("/".join(path.parts[:-1]), []).append(file)
    if not folders:
        raise HubError(
            f"{named} has no data files named after their splits (train.csv, data/train-00000-of-00001.parquet)."
            " Download it, and give a file of it as a dataset of your own."
        )
    if folder is None and len(folders) > 1:
        raise HubError(f"{named} has data in several folders. Name one of them as `folder`: {_listed(folders)}.")
    chosen = next(iter(folders)) if folder is None else folder
    if chosen not in folders:
        raise HubError(f"{named} has no folder {chosen!r} with data. Name one of: {_listed(folders)}.")
    size = sum(file.size_bytes for file in folders[chosen])
    if size > MAX_FILE_BYTES:
        raise HubError(f"{named} holds {size // 2**20} MiB of data; at most {MAX_FILE_BYTES // 2**20} MiB are read.")
    return chosen, tuple(sorted(folders[chosen], key=lambda file: file.name))


def _listed(folders: dict[str, list[HubFile]]) -> str:
    shown = ", ".join(repr(name) for name in sorted(folders)[:20])
    return shown + (f" and {len(folders) - 20} more" if len(folders) > 20 else "")
