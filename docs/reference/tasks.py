"""The kinds of task of the catalogue: which columns each reads and how it is scored."""

from docs.reference.markdown import code, number, plain, table
from peft_core.task import Task, tasks

HEADS = {
    "sequence": "one answer for a text",
    "token": "one answer for each word",
    "choice": "one answer for each choice",
    "none": "none: the base model's own output layer answers",
}


def pages() -> dict[str, str]:
    """Path -> Markdown."""
    found = tasks()
    parts = [
        "# Kinds of task\n",
        "Each is one file of `peft_core/tasks`. A study names a registered task, or a dataset of your own with its kind"
        " and columns. Every item of the test split gets a score whose mean is the headline figure, so that two methods"
        " can be compared item by item.\n",
        *(_section(name, kind) for name, kind in sorted(found.items(), key=lambda entry: entry[1].title)),
    ]
    return {"tasks.md": "\n".join(parts)}


def _section(name: str, kind: type[Task]) -> str:
    columns = [
        [code(column.role), plain(column.title), "yes" if column.required else "no", plain(column.meaning)]
        for column in kind.columns
    ]
    chance = "it depends on the dataset" if kind.chance_level is None else number(kind.chance_level)
    return "\n".join(
        [
            f"## {plain(kind.title)} {{#{name}}}\n",
            f"- **Key**: `{name}`",
            f"- **Headline score**: {plain(kind.headline)}, {kind.better} is better. {plain(kind.score_meaning)}",
            f"- **Chance level**: {chance}",
            f"- **Head on the base model**: {HEADS[kind.head]}\n",
            table(["column", "title", "required", "meaning"], columns),
        ]
    )
