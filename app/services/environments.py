"""What the runs of a study ran on: hardware and versions, and whether they are the same for all."""

from collections import Counter
from collections.abc import Iterable

from sqlalchemy import Engine

from app.db.session import team_session
from app.db.tables import Run
from app.language import tr
from app.schemas import EnvironmentField, Environments, EnvironmentValue, Number
from app.services.callers import Caller
from app.services.comparability import CONDITIONS
from app.services.evidence import read_evidence
from app.services.studies import read_study

FIRST = ("device_name", "device", "driver", "precision", "torch", "transformers", "peft")
"""What a reader looks for first; the others follow by name."""
TITLES = {"device": "kind of device"}


def environments(engine: Engine, caller: Caller, study_id: int) -> Environments:
    """Every field that the study's finished runs wrote down; raises NotFound."""
    with team_session(engine, caller.team_id) as session:
        evidence = read_evidence(session, read_study(session, study_id))
    labels = {row.id: tr(row.label) for row in evidence.configurations}
    runs = [run for run in evidence.finished if run.environment]
    fields = [_field(study_id, key, runs, labels) for key in _keys(runs)]
    return Environments(study=study_id, fields=[field for field in fields if field.values])


def _keys(runs: Iterable[Run]) -> list[str]:
    found = {key for run in runs for key in run.environment or {}}
    return [key for key in FIRST if key in found] + sorted(found - set(FIRST))


def _field(study_id: int, key: str, runs: Iterable[Run], labels: dict[int, str]) -> EnvironmentField:
    said = {run.id: (_words((run.environment or {}).get(key)), labels[run.configuration_id]) for run in runs}
    known = {run_id: found for run_id, found in said.items() if found[0]}
    counted = Counter(value for value, _ in known.values())
    values = [
        EnvironmentValue(
            value=value,
            runs=Number(
                value=float(count), quantity="count", statistic="runs", formula=f"environments(study {study_id})"
            ),
            run_ids=[run_id for run_id, (other, _) in known.items() if other == value],
            labels=list(dict.fromkeys(label for other, label in known.values() if other == value)),
        )
        for value, count in counted.most_common()
    ]
    title = CONDITIONS[key].name if key in CONDITIONS else TITLES.get(key, key.replace("_", " "))
    return EnvironmentField(key=key, title=title, values=values, mixed=len(values) > 1)


def _words(value: object) -> str:
    """A value in one line; what is nested is no field of a table."""
    return "" if value is None or isinstance(value, dict | list) else " ".join(str(value).split())
