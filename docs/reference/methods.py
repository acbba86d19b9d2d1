"""A page for each method of the catalogue, from its card, its fields and its formulas' own words."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import Any

from docs.reference.markdown import code, number, plain, sentences, table
from peft_core.errors import PeftCoreError
from peft_core.method import LearningRate, Method, methods
from peft_core.methods._update import MatrixUpdate
from peft_core.model_config import shape_from_config
from peft_core.model_config.published import PUBLISHED_MODELS
from peft_core.model_shape import ModelShape
from peft_core.task import tasks

FAMILIES = {
    "reference": "Reference rows",
    "lora": "LoRA and its variants",
    "factorised": "Other factorisations",
    "orthogonal": "Orthogonal",
    "adapter": "Adapters",
    "soft_prompt": "Prompts and prefixes",
    "selective": "Selective",
    "rescaling": "Rescaling",
    "spectral": "Spectral",
}
"""How a family heads its part; one that is not here stands under its own name."""

EXAMPLES = {"bert_base": (0, 100, 101, 102, 103), "llama_7b": (0, 1, 2)}
"""The models for which every formula is worked out, one encoder and one decoder -> the ids of their special tokens."""

MAX_LENGTH = 128
"""The length of the items for which a method is asked whether it can serve a model and a kind of task."""

CAPABILITIES = {
    "merges": "its update can be merged into the base model",
    "quantised_base": "it trains on a base of 4 bits",
    "gradient_checkpointing": "it trains with gradient checkpointing",
    "hot_switch": "several can share one base in memory and take turns",
}


def families() -> dict[str, list[str]]:
    """Heading -> the methods of a family, in the catalogue's order."""
    order = [*FAMILIES]
    placed = sorted(methods().items(), key=lambda entry: _place(entry[1].family, order))
    return {
        FAMILIES.get(family, family): [name for name, _ in entries]
        for family, entries in groupby(placed, key=lambda entry: entry[1].family)
    }


def _place(family: str, order: list[str]) -> int:
    return order.index(family) if family in order else len(order)


def navigation() -> list[Any]:
    """The pages as the site's navigation lists them."""
    found = methods()
    return [
        {"All methods": "methods/index.md"},
        *(
            {heading: [{found[name].title: f"methods/{name}.md"} for name in names]}
            for heading, names in families().items()
        ),
    ]


def pages() -> dict[str, str]:
    """Path -> Markdown of every page."""
    return {"methods/index.md": overview()} | {f"methods/{name}.md": page(name) for name in methods()}


def overview() -> str:
    """All methods by family."""
    found = methods()
    parts = [
        "# Methods\n",
        f"{len(found)} entries, each one file of `peft_core/methods`, from which its page here is made when the site is"
        " built. A base model or a kind of task that a method cannot serve is refused with a sentence before anything"
        " is queued.\n",
    ]
    for heading, names in families().items():
        rows = [[f"[{plain(found[name].title)}]({name}.md)", code(name), plain(found[name].summary)] for name in names]
        parts += [f"## {heading}\n", table(["method", "key", "what it does"], rows)]
    return "\n".join(parts)


def page(name: str) -> str:
    """One method: what it is, what it trains by which formula, its form, and what it cannot do."""
    kind = methods()[name]
    return "\n".join(
        [
            f"# {plain(kind.title)}\n",
            f"{plain(kind.summary)}. What it trains: {plain(kind.trains)}\n",
            *_facts(name, kind),
            "\n## How many numbers it trains\n",
            _formulas(kind),
            _worked_out(kind()),
            "\n## Hyper-parameters\n",
            _form(kind),
            "\n## Learning rate\n",
            _learning_rate(kind.learning_rate),
            "\n## What it can and cannot do\n",
            *_abilities(kind),
        ]
    )


def _facts(name: str, kind: type[Method]) -> Iterator[str]:
    yield f"- **Key**: `{name}`"
    yield f"- **Family**: {FAMILIES.get(kind.family, kind.family)}"
    if paper := kind.paper:
        yield f"- **Paper**: [{plain(paper.title)}]({paper.url}), {plain(paper.authors)}, {paper.year}"


def _formulas(kind: type[Method]) -> str:
    trained = formula(kind)
    stored = inspect.getdoc(kind.stored_parameters) or ""
    lines = [f"**Trained**, beside the task head: {sentences(trained)}\n"]
    if stored != inspect.getdoc(Method.stored_parameters):
        lines.append(f"**Stored**: {sentences(stored)}\n")
    return "\n".join(lines)


def formula(kind: type[Method]) -> str:
    """What the method's own formula says of itself."""
    if issubclass(kind, MatrixUpdate) and kind.trainable_parameters is MatrixUpdate.trainable_parameters:
        return f"of each targeted linear layer, {inspect.getdoc(kind.layer_parameters)}"
    own = inspect.getdoc(kind.trainable_parameters) or ""
    return "nothing." if own == inspect.getdoc(Method.trainable_parameters) else own


def _worked_out(method: Method) -> str:
    """The formulas' results at the default hyper-parameters, or why a model cannot have the method."""
    rows = []
    for key in EXAMPLES:
        published, shape = PUBLISHED_MODELS[key], example(key)
        refused = refusals(method, shape)
        if all(refused.values()):
            rows.append([published.title, "not offered", ""])
        else:
            trained, stored = method.trainable_parameters(shape), method.stored_parameters(shape)
            rows.append([published.title, number(trained), number(stored)])
    return table(["by these formulas, with the defaults below", "trained", "stored"], rows)


def example(key: str) -> ModelShape:
    """The shape of one of the examples."""
    return replace(shape_from_config(PUBLISHED_MODELS[key].config), special_tokens=EXAMPLES[key])


def refusals(method: Method, shape: ModelShape) -> dict[str, str | None]:
    """Kind of task that the model could do -> why the method refuses it there, None where it serves it."""
    return {
        task: _refusal(partial(method.check, shape, task_kind=task, max_length=MAX_LENGTH))
        for task, kind in tasks().items()
        if _refusal(partial(kind.check, shape)) is None
    }


def _refusal(check: Callable[[], None]) -> str | None:
    try:
        check()
    except PeftCoreError as refusal:
        return str(refusal)
    return None


def _form(kind: type[Method]) -> str:
    properties: dict[str, dict[str, Any]] = kind.model_json_schema()["properties"] if kind.model_fields else {}
    if not properties:
        return "None.\n"
    rows = [
        [
            f"{plain(field['title'])}<br>{code(name)}",
            code(field["default"]),
            _valid(field),
            " to ".join(number(bound) for bound in field.get("recommended", [])),
            plain(field.get("effect", "")),
        ]
        for name, field in properties.items()
    ]
    return table(["field", "default", "valid", "recommended", "effect"], rows)


def _valid(field: dict[str, Any]) -> str:
    if "enum" in field:
        return ", ".join(code(choice) for choice in field["enum"])
    bounds = [f"{sign} {number(field[key])}" for key, sign in (("minimum", "≥"), ("maximum", "≤")) if key in field]
    return ", ".join([field.get("type", ""), *bounds])


def _learning_rate(rate: LearningRate | None) -> str:
    if rate is None:
        return "Nothing is tuned.\n"
    rows = [
        ["small bases (20M parameters) and short budgets (150 steps)", number(rate.small)],
        ["encoders of 100M parameters or more, 1,000 steps or more", number(rate.encoder)],
        ["decoders of that size", number(rate.llm)],
    ]
    return (
        table(["centre of the grid", "learning rate"], rows)
        + f"\nBetween them its logarithm is interpolated. Source: {plain(rate.source)}.\n"
    )


def _abilities(kind: type[Method]) -> Iterator[str]:
    promised = kind.capabilities.model_dump()
    for key, words in CAPABILITIES.items():
        yield f"- {'Yes' if promised[key] else '**No**'}: {words}."
    if kind.trains_base:
        yield "- It trains tensors of the base model itself."
    if kind.rewrites_base:
        yield "- It rewrites frozen tensors of the base model, and puts them back when it is taken off."
    if kind.stores_whole_model:
        yield "- What it stores is a whole model."
    if not kind.equals_base_at_start:
        yield "- Before training it does not give the base model's output."
    for key in EXAMPLES:
        yield from _refused(kind(), key)


def _refused(method: Method, key: str) -> Iterator[str]:
    """The kinds of task that the model could do and the method refuses on it, with the first one's reason."""
    answers = refusals(method, example(key))
    refused = {task: reason for task, reason in answers.items() if reason is not None}
    if refused:
        what = ", ".join(plain(tasks()[task].title.lower()) for task in refused)
        scope = "any kind of task" if len(refused) == len(answers) else what
        yield f"- **Refused** on {PUBLISHED_MODELS[key].title} for {scope}: {plain(next(iter(refused.values())))}"
