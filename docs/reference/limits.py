"""What is refused or cut off, and at which number: each is read from the constant that enforces it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from typing import Literal

from docs.reference.markdown import code, plain, table

Unit = Literal["bytes", "seconds", "days", "count", "characters"]


UNITS = {"seconds": " s", "days": " days"}


@dataclass(frozen=True)
class Limit:
    """`constant` of `module` holds the number."""

    what: str
    module: str
    constant: str
    unit: Unit = "count"
    beyond: str = "refused with a sentence that names the limit"

    def value(self) -> float:
        """Raises AttributeError where the code has no such constant any more."""
        found = getattr(import_module(self.module), self.constant)
        return found / timedelta(days=1) if isinstance(found, timedelta) else float(found)


LIMITS: Mapping[str, tuple[Limit, ...]] = {
    "Requests": (
        Limit("Body of an API request", "app.api.guard", "LARGEST_BODY_BYTES", "bytes", "413"),
        Limit("Body of a page's own callback", "app.api.guard", "LARGEST_PAGE_BODY_BYTES", "bytes", "413"),
        Limit("Form of published results", "app.api.guard", "LARGEST_UPLOAD_BYTES", "bytes", "413"),
        Limit("Study document or archive", "app.schemas", "LARGEST_ARCHIVE_BYTES", "bytes", "413"),
        Limit("Uploaded dataset", "app.schemas", "LARGEST_DATASET_BYTES", "bytes", "413"),
        Limit(
            "Wait for a database that is locked", "app.db.session", "BUSY_SECONDS", "seconds", "503 with Retry-After"
        ),
    ),
    "Datasets": (
        Limit("Rows of an uploaded dataset", "app.schemas.datasets", "MOST_DATASET_ROWS"),
        Limit("Rows of any dataset", "peft_core.dataset_records", "MAX_ROWS"),
        Limit("Columns", "peft_core.dataset_records", "MAX_COLUMNS"),
        Limit("Characters of one cell", "peft_core.dataset_records", "MAX_FIELD_CHARACTERS", "characters"),
        Limit("Size of a dataset file", "peft_core.dataset_files", "MAX_FILE_BYTES", "bytes"),
        Limit("One line of JSON", "peft_core.dataset_text", "MAX_LINE_BYTES", "bytes"),
        Limit("Classes", "peft_core.tasks._labels", "MAX_LABELS"),
        Limit(
            "Memory of the reading process", "app.services.dataset_reading", "ADDRESS_SPACE_BYTES", "bytes", "stopped"
        ),
        Limit("Processor time of reading", "app.services.dataset_reading", "CPU_SECONDS", "seconds", "stopped"),
        Limit("Time of reading", "app.services.dataset_reading", "WALL_SECONDS", "seconds", "stopped"),
    ),
    "Studies": (
        Limit("Rows of a study", "app.schemas.studies", "MOST_ROWS"),
        Limit("Learning rates of a row", "app.schemas.studies", "MOST_LEARNING_RATES"),
        Limit("Seeds", "app.services.studies", "MOST_SEEDS"),
        Limit("Templates of a team", "app.services.templates", "MOST_TEMPLATES"),
        Limit("Text of a YAML study", "app.schemas.templates", "MOST_YAML_CHARACTERS", "characters"),
        Limit("Scenarios of one's own", "app.schemas.custom_scenarios", "MOST_CUSTOM_SCENARIOS"),
    ),
    "Accounts": (
        Limit(
            "Logins a minute for a name, and for an address", "app.services.accounts.login_limits", "MOST", beyond="429"
        ),
        Limit("Fewest characters of a password", "app.services.accounts.passwords", "SHORTEST", "characters"),
        Limit("Characters of a password", "app.services.accounts.passwords", "LONGEST", "characters"),
        Limit("Tokens of a user", "app.services.accounts.tokens", "MOST_OF_A_USER"),
        Limit("Open invitations of a team", "app.services.accounts.invitations", "MOST_OPEN"),
        Limit("A session", "app.services.accounts.sessions", "LONGEST", "days", "it ends"),
        Limit("A session that is not used", "app.services.accounts.sessions", "IDLE", "days", "it ends"),
    ),
    "Reviews": (
        Limit("Comments on a study", "app.services.reviews", "MOST_COMMENTS"),
        Limit("Characters of a comment", "app.schemas.reviews", "LONGEST_COMMENT", "characters"),
        Limit("Characters of an approval's note", "app.schemas.reviews", "LONGEST_NOTE", "characters"),
        Limit("Tags of a study", "app.schemas.reviews", "MOST_TAGS"),
        Limit("Characters of a tag", "app.schemas.reviews", "LONGEST_TAG", "characters"),
    ),
    "Imports": (
        Limit("One published result", "app.schemas.imports", "LARGEST_RESULT_BYTES", "bytes"),
        Limit("Runs in a batch", "app.schemas.imports", "MOST_RUNS_A_BATCH"),
        Limit("Points in a batch", "app.schemas.imports", "MOST_POINTS_A_BATCH"),
        Limit("Runs of an archive", "app.schemas.study_archives", "MOST_RUNS"),
        Limit("Rows of an archive", "app.schemas.study_archives", "MOST_CONFIGURATIONS"),
    ),
    "Running": (
        Limit(
            "Times a run may lose its worker", "app.services.run_queue", "MOST_LOST", beyond="the run fails and says so"
        ),
        Limit(
            "Silence after which a run shows as stalled",
            "app.services.runs",
            "STALL_SECONDS",
            "seconds",
            "shown, not ended",
        ),
        Limit(
            "Silence after which a worker shows as gone", "app.services.workers", "ALIVE_SECONDS", "seconds", "shown"
        ),
        Limit("Trying a model out, or merging it", "app.services.jobs", "LIMIT_SECONDS", "seconds", "stopped"),
        Limit("Examples tried at once", "app.services.try_out", "MOST_EXAMPLES"),
        Limit("Characters of an example", "app.services.try_out", "LONGEST_EXAMPLE", "characters"),
        Limit("Points of a curve in one answer", "app.services.run_curves", "MOST_POINTS", beyond="thinned out"),
        Limit(
            "Memory kept free on a device",
            "peft_core.analysis.cost_model.refusal",
            "RESERVE_BYTES",
            "bytes",
            "the run is refused",
        ),
    ),
    "What is compared at once": (
        Limit("Studies in a comparison", "app.services.compared_studies", "MOST_STUDIES", beyond="the newest count"),
        Limit(
            "Studies behind the selection guide",
            "app.services.selection_guide",
            "MOST_STUDIES",
            beyond="the newest count",
        ),
        Limit("Studies behind a look-up", "app.services.lookup_cases", "MOST_STUDIES", beyond="the newest count"),
        Limit("Studies that test a claim", "app.services.claim_verdicts", "MOST_STUDIES", beyond="the newest count"),
    ),
}


def pages() -> dict[str, str]:
    """Path -> Markdown."""
    parts = [
        "# Limits\n",
        "Every number here is read from the constant that enforces it when this site is built. Beyond a limit a"
        " request is refused before anything is changed, unless the table says otherwise.\n",
    ]
    for heading, limits in LIMITS.items():
        rows = [
            [
                plain(limit.what),
                shown(limit.value(), limit.unit),
                plain(limit.beyond),
                code(f"{limit.module}.{limit.constant}"),
            ]
            for limit in limits
        ]
        parts += [f"## {heading}\n", table(["what", "limit", "beyond it", "where it is set"], rows)]
    return {"limits.md": "\n".join(parts)}


def shown(value: float, unit: Unit) -> str:
    """A limit in its unit; bytes also in the larger one."""
    if unit != "bytes":
        return f"{value:,.10g}{UNITS.get(unit, '')}"
    if value % 2**20 == 0:
        return f"{value / 2**20:,.0f} MiB"
    return f"{value / 1e6:,g} MB"
