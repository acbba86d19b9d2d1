"""What people say to a chat robot and what it answers, in English and in Chinese (ChatterBot's corpus)."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from ruamel.yaml import YAML

from peft_core.asset import Source, TaskAsset, installed_at
from peft_core.assets._archive import read_files
from peft_core.assets.datasets._rows import refuse_other_count, write_csv
from peft_core.spec import Columns, Splits

CONVERSATIONS = {"english": 2_026, "chinese": 467}
"""Many prompts occur several times; whoever reads the dataset keeps the first answer to each and counts the others."""


class Dialogues(Source):
    package: ClassVar[str] = "chatterbot-corpus==1.3.3"
    download_bytes: ClassVar[int] = 345_706
    disk_bytes: ClassVar[int] = 5_000_000
    at_setup: ClassVar[bool] = True
    position: ClassVar[int] = 4

    @classmethod
    def tasks(cls) -> tuple[TaskAsset, ...]:
        return (
            _task("dialogues", "Dialogues: the answer to a prompt", Splits(train=300, validation=100, test=200)),
            _task(
                "chinese_dialogues",
                "Chinese dialogues: the answer to a prompt",
                Splits(train=168, validation=100, test=100),
            ),
        )

    @classmethod
    def prepare(cls, archive: Path, folder: Path) -> None:
        for name, language in {"dialogues": "english", "chinese_dialogues": "chinese"}.items():
            rows = list(_exchanges(read_files(archive, f"*/data/{language}/*.yml")))
            refuse_other_count(len(rows), CONVERSATIONS[language], f"{language} conversations", cls.package)
            write_csv(folder / f"{name}.csv", ("topic", "prompt", "response"), rows)


def _exchanges(files: dict[str, bytes]) -> Iterator[tuple[str, str, str]]:
    """(topic, prompt, response) of each conversation: its first two turns. In some the later ones go on with the
    dialogue, in others they are more answers to the first."""
    for name, content in files.items():
        for prompt, response, *_ in YAML(typ="safe", pure=True).load(content)["conversations"]:
            yield Path(name).stem, prompt.strip(), response.strip()


def _task(name: str, title: str, splits: Splits) -> TaskAsset:
    return TaskAsset(
        name=name,
        title=title,
        kind="instruction",
        dataset=installed_at(f"{name}.csv"),
        columns=Columns(text="prompt", label="response"),
        splits=splits,
        source=f"ChatterBot corpus, written by its users, in the package {Dialogues.package}: the first two turns of"
        " each conversation, one answer for each prompt",
        licence="BSD (chatterbot-corpus)",
    )
