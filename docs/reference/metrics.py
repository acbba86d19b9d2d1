"""The metrics of the catalogue: what each means, how it is taken and how it becomes a score."""

from collections.abc import Iterator

from docs.reference.markdown import code, number, plain, table
from peft_core.compare.normalise import ANCHORS_VERSION
from peft_core.metric import LinearAnchors, Metric, metrics

RUNS = {"tune": "tuning runs", "report": "reporting runs", "probe": "the probe"}


def pages() -> dict[str, str]:
    """Path -> Markdown."""
    found = metrics()
    rows = [
        [f"[{plain(kind.title)}](#{key})", code(key), plain(kind.unit), kind.better, _runs(kind)]
        for key, kind in found.items()
    ]
    parts = [
        "# Metrics\n",
        "Each is one file of `peft_core/metrics`. Values are in seconds, bytes, counts and fractions; only pages"
        f" format them. The anchors of the scores are version {ANCHORS_VERSION};"
        " see [how it is measured](measurement.md).\n",
        table(["metric", "key", "unit", "better", "measured by"], rows),
        *(line for key, kind in found.items() for line in _section(key, kind)),
    ]
    return {"metrics.md": "\n".join(parts)}


def _section(key: str, kind: type[Metric]) -> Iterator[str]:
    yield f"## {plain(kind.title)} {{#{key}}}\n"
    yield f"{plain(kind.meaning)}\n"
    yield f"- **Taken so**: {plain(kind.how)}"
    yield f"- **Measured by**: {_runs(kind)}"
    if kind.kinds is not None:
        yield f"- **Only for**: {', '.join(code(name) for name in sorted(kind.kinds))}"
    if kind.exact:
        yield "- **Exact**: counted rather than sampled, so it carries no interval."
    if not kind.in_heatmap:
        yield "- It has no column of its own in the heatmap: tables and limits use it."
    yield f"- **Score**: {_score(kind)}\n"


def _runs(kind: type[Metric]) -> str:
    named = [words for purpose, words in RUNS.items() if purpose in kind.purposes]
    return " and ".join(named) or "a study's runs together"


def _score(kind: type[Metric]) -> str:
    anchors = kind.anchors
    if anchors is None:
        return "none of fixed anchors."
    if isinstance(anchors, LinearAnchors):
        return f"linear, {number(anchors.worst)} gives 0 and {number(anchors.best)} gives 1."
    ratio = "full / method" if kind.better == "lower" else "method / full"
    return (
        f"by the logarithm of r = {ratio} (full: full fine-tuning's value); r = {number(anchors.lo)} gives 0,"
        f" r = {number(anchors.hi)} gives 1."
    )
