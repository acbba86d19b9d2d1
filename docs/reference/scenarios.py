"""The scenarios of the catalogue with their weights, and the presets with their rows."""

from docs.reference.markdown import code, number, plain, table
from peft_core.method import build_method
from peft_core.preset import Preset, presets
from peft_core.scenario import Criterion, Scenario, scenarios

CRITERIA: dict[Criterion, str] = {
    "footprint": "parameters and storage",
    "training_speed": "training speed",
    "inference": "inference",
    "quality": "quality",
    "memory": "memory",
    "simplicity": "simplicity",
}


def pages() -> dict[str, str]:
    """Path -> Markdown."""
    return {"scenarios.md": _scenarios(), "presets.md": _presets()}


def _scenarios() -> str:
    found = scenarios()
    rows = [
        [plain(kind.title), *(number(kind.weights.get(key, 0)) for key in CRITERIA), code(kind.constraint)]
        for kind in found.values()
    ]
    return "\n".join(
        [
            "# Scenarios\n",
            "Each is one file of `peft_core/scenarios`: weights, which are opinions and can be edited, and the limit"
            " that its user sets. [How it is measured](measurement.md#recommending) says how they become a"
            " recommendation.\n",
            table(["scenario", *CRITERIA.values(), "limit"], rows),
            *(_scenario(key, kind) for key, kind in found.items()),
        ]
    )


def _scenario(key: str, kind: type[Scenario]) -> str:
    lines = [f"## {plain(kind.title)} {{#{key}}}\n", f"{plain(kind.summary)}\n", f"- **Key**: `{key}`"]
    lines += [
        f"- **{CRITERIA[criterion].capitalize()}** is judged by {', '.join(code(metric) for metric in judged)}."
        for criterion, judged in kind.criteria.items()
    ]
    lines.append(f"- **The textbook names**: {plain(kind.textbook_pick)}. Shown beside ours, never mixed in.\n")
    return "\n".join(lines)


def _presets() -> str:
    return "\n".join(
        [
            "# Presets\n",
            "Rows of a study that together answer one question. The reference rows come with every study.\n",
            *(_preset(key, kind) for key, kind in presets().items()),
        ]
    )


def _preset(key: str, kind: type[Preset]) -> str:
    rows = [
        [
            f"[{plain(build_method(row.method, row.hyperparameters).label())}](methods/{row.method}.md)",
            ", ".join(f"{name} {value}" for name, value in row.hyperparameters.items()) or "as recommended",
        ]
        for row in kind.rows()
    ]
    return f"## {plain(kind.title)} {{#{key}}}\n\n{plain(kind.summary)}\n\n{table(['row', 'hyper-parameters'], rows)}"
