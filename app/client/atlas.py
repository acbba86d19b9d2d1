"""AtlasClient: one method for each question that the API answers.

In process it runs over httpx's ASGI transport, so a page sees exactly what a program would.
"""

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import BaseModel

from app.client.cells import cell_rows
from app.client.problem import ApiProblem
from app.client.waiting import finished_study
from app.language import language
from app.schemas import (
    SHARE_DAYS,
    ApprovalState,
    ApprovalView,
    AuditView,
    BaseModelCard,
    Claims,
    CommentView,
    Comparison,
    CostsRequest,
    CostsView,
    Curves,
    CustomScenario,
    CustomScenarioRequest,
    DatasetPreview,
    DatasetView,
    DiagnosisView,
    Environments,
    EstimateRequest,
    EstimateView,
    ExamplesView,
    ExtensionView,
    GivenPoints,
    HubTokenView,
    ImportReport,
    InvitationEntry,
    InvitationView,
    LogLine,
    Lookup,
    LookupRequest,
    MemberView,
    MergedView,
    MethodCard,
    MetricCard,
    NewInvitation,
    NewShare,
    NewToken,
    Page,
    Pareto,
    PointsWritten,
    PredictedCosts,
    PredictionsView,
    PredictionView,
    PredictRequest,
    PresetCard,
    PublicationView,
    PublishedModelCard,
    Recommendation,
    RecommendationRequest,
    Role,
    RunDetail,
    RunsElsewhere,
    RunView,
    ScenarioCard,
    SelectionGuide,
    Series,
    SessionView,
    ShareView,
    Sightings,
    SignificanceView,
    SpectrumView,
    StorageView,
    StudiesCompared,
    StudyDocument,
    StudyEstimate,
    StudyEstimateRequest,
    StudyExtension,
    StudyText,
    StudyView,
    Sweeps,
    SystemView,
    TaskCard,
    TaskKindCard,
    TeamLimits,
    TeamQuota,
    TeamView,
    TemplateEntry,
    TemplateView,
    TokenEntry,
    TokenView,
    UserEntry,
    UserView,
    WorkerView,
)

T = TypeVar("T", bound=BaseModel)
PREFIX = "/api/v1"
IN_PROCESS = "http://localhost"
"""Its address and so its origin: what an application in this process sees."""


class AtlasClient:
    """One caller's view of a PEFT Atlas server. Every method raises ApiProblem where the API refuses."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    @classmethod
    def in_process(cls, app: Any, cookies: dict[str, str] | None = None, *, may_write: bool = True) -> "AtlasClient":
        """A client of an application in this process, with the cookies and the language of the caller it acts for.

        may_write False: the API lets it read only, whatever its caller may do.
        """
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        headers = {"accept-language": language(), "origin": IN_PROCESS}
        if not may_write:
            headers["peft-atlas-access"] = "read"
        client = httpx.AsyncClient(transport=transport, base_url=IN_PROCESS, cookies=cookies, headers=headers)
        return cls(client)

    @classmethod
    def at(cls, url: str, token: str | None = None) -> "AtlasClient":
        """A client of a server elsewhere; token: an API token, or the key of the first visit."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return cls(httpx.AsyncClient(base_url=url, timeout=30, headers=headers))

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.close()

    async def methods(
        self, base_model: str = "minilm", task: str = "tweets", kind: str | None = None, steps: int = 150
    ) -> list[MethodCard]:
        """The methods, with formulas and grids for a base model, a task (or kind of task) and a number of steps."""
        parameters = {"base_model": base_model, "task": task, "steps": steps} | ({"kind": kind} if kind else {})
        return (await self._get("/methods", Page[MethodCard], parameters)).items

    async def presets(
        self, base_model: str = "minilm", task: str = "tweets", kind: str | None = None
    ) -> list[PresetCard]:
        """The presets, with what a base model and task (or kind of task) cannot have."""
        parameters = {"base_model": base_model, "task": task} | ({"kind": kind} if kind else {})
        return (await self._get("/presets", Page[PresetCard], parameters)).items

    async def metrics(self) -> list[MetricCard]:
        """The metrics, in the heatmap's order."""
        return (await self._get("/metrics", Page[MetricCard])).items

    async def tasks(self) -> list[TaskCard]:
        """The registered tasks."""
        return (await self._get("/tasks", Page[TaskCard])).items

    async def task_kinds(self) -> list[TaskKindCard]:
        """The kinds of task and the columns each reads."""
        return (await self._get("/task-kinds", Page[TaskKindCard])).items

    async def scenarios(self) -> list[ScenarioCard]:
        """The scenarios."""
        return (await self._get("/scenarios", Page[ScenarioCard])).items

    async def custom_scenarios(self) -> list[CustomScenario]:
        """The scenarios that the team keeps."""
        return (await self._get("/scenarios/custom", Page[CustomScenario])).items

    async def keep_scenario(self, asked: CustomScenarioRequest) -> CustomScenario:
        """Keep weights and limits under a name."""
        return await self._send("POST", "/scenarios/custom", CustomScenario, asked.model_dump(mode="json"))

    async def remove_scenario(self, scenario: int) -> None:
        """Remove a scenario that the team keeps."""
        self._checked(await self._http.delete(f"{PREFIX}/scenarios/custom/{scenario}"))

    async def base_models(self) -> list[BaseModelCard]:
        """The base models a study can name."""
        return (await self._get("/base-models", Page[BaseModelCard])).items

    async def base_model(self, name: str) -> BaseModelCard:
        """What one base model is: registered, a folder of one's own, or a hub's."""
        return await self._get("/base-models/card", BaseModelCard, {"name": name})

    async def devices(self) -> list[WorkerView]:
        """The workers and their devices, the newest first."""
        return (await self._get("/devices", Page[WorkerView])).items

    async def pause_worker(self, worker_id: int) -> WorkerView:
        """Have a worker claim nothing more; what it runs, it finishes."""
        return await self._send("POST", f"/workers/{worker_id}/pause", WorkerView)

    async def resume_worker(self, worker_id: int) -> WorkerView:
        """Have a paused worker claim again."""
        return await self._send("POST", f"/workers/{worker_id}/resume", WorkerView)

    async def quickstart(self) -> StudyDocument:
        """The quickstart's study document."""
        return await self._get("/quickstart", StudyDocument)

    async def create_study(self, document: StudyDocument | dict[str, Any], key: str | None = None) -> StudyView:
        """Launch a study; `key` makes sending it again harmless."""
        body = document.model_dump(mode="json") if isinstance(document, StudyDocument) else document
        headers = {"Idempotency-Key": key} if key else {}
        return await self._send("POST", "/studies", StudyView, body, headers)

    async def create_quickstart(self) -> StudyView:
        """Launch the quickstart study."""
        return await self.create_study(await self.quickstart())

    async def studies(
        self, q: str | None = None, cursor: str | None = None, limit: int = 50, tag: str | None = None
    ) -> Page[StudyView]:
        """A page of studies, the newest first; q: part of a name, tag: one that they have."""
        asked = {"q": q, "tag": tag, "cursor": cursor, "limit": limit}
        return await self._get("/studies", Page[StudyView], asked)

    async def study(self, study_id: int) -> StudyView:
        """One study."""
        return await self._get(f"/studies/{study_id}", StudyView)

    async def wait_for_study(
        self, study_id: int, timeout_seconds: float | None = None, every_seconds: float = 1.0
    ) -> StudyView:
        """A study once none of its runs waits or runs, however it ended: see its `status` and `failures`.

        A server that is started again meanwhile is waited for. Raises TimeoutError after `timeout_seconds`.
        """
        try:
            async with asyncio.timeout(timeout_seconds):
                return await finished_study(lambda: self.study(study_id), every_seconds)
        except TimeoutError:
            raise TimeoutError(f"Study {study_id} has not ended within {timeout_seconds:g} seconds.") from None

    async def rename_study(self, study_id: int, name: str) -> StudyView:
        """Give a study another name."""
        return await self._send("PATCH", f"/studies/{study_id}", StudyView, {"name": name})

    async def prioritise_study(self, study_id: int, priority: int) -> StudyView:
        """Have a study's waiting runs go before those of a lower priority."""
        return await self._send("PATCH", f"/studies/{study_id}", StudyView, {"priority": priority})

    async def cancel_study(self, study_id: int) -> StudyView:
        """Cancel what is queued and stop what runs."""
        return await self._send("POST", f"/studies/{study_id}/cancel", StudyView)

    async def extend_study(
        self, study_id: int, extension: StudyExtension | dict[str, Any], key: str | None = None
    ) -> ExtensionView:
        """Queue the methods, seeds and learning rates that a study lacks; `key` makes sending it again harmless."""
        body = extension.model_dump(mode="json") if isinstance(extension, StudyExtension) else extension
        headers = {"Idempotency-Key": key} if key else {}
        return await self._send("POST", f"/studies/{study_id}/extend", ExtensionView, body, headers)

    async def delete_study(self, study_id: int) -> None:
        """Delete a study with all it measured."""
        self._checked(await self._http.delete(f"{PREFIX}/studies/{study_id}"))

    async def comments(self, study_id: int) -> list[CommentView]:
        """What was said of a study, the oldest first."""
        return (await self._get(f"/studies/{study_id}/comments", Page[CommentView])).items

    async def add_comment(self, study_id: int, text: str) -> CommentView:
        """Write a comment."""
        return await self._send("POST", f"/studies/{study_id}/comments", CommentView, {"text": text})

    async def edit_comment(self, study_id: int, comment_id: int, text: str) -> CommentView:
        """Give a comment another text."""
        return await self._send("PATCH", f"/studies/{study_id}/comments/{comment_id}", CommentView, {"text": text})

    async def delete_comment(self, study_id: int, comment_id: int) -> None:
        """Delete a comment."""
        self._checked(await self._http.delete(f"{PREFIX}/studies/{study_id}/comments/{comment_id}"))

    async def set_tags(self, study_id: int, tags: list[str]) -> StudyView:
        """Give a study these tags and no others."""
        return await self._send("PUT", f"/studies/{study_id}/tags", StudyView, {"tags": tags})

    async def approvals(self, study_id: int) -> list[ApprovalView]:
        """Who signed a study's results off or took that back, the newest first."""
        return (await self._get(f"/studies/{study_id}/approvals", Page[ApprovalView])).items

    async def change_approval(self, study_id: int, state: ApprovalState, note: str = "") -> ApprovalView:
        """Sign a study's results off, or take that back."""
        body = {"state": state, "note": note}
        return await self._send("POST", f"/studies/{study_id}/approvals", ApprovalView, body)

    async def shares(self, study_id: int) -> list[ShareView]:
        """The share links of a study, the newest first."""
        return (await self._get(f"/studies/{study_id}/shares", Page[ShareView])).items

    async def create_share(self, study_id: int, note: str = "", days: int = SHARE_DAYS) -> NewShare:
        """Make a link by which anybody reads a study's report for so many days. Its address is told this once."""
        body = {"note": note, "days": days}
        return await self._send("POST", f"/studies/{study_id}/shares", NewShare, body)

    async def revoke_share(self, study_id: int, share: int) -> None:
        """Have a share link open nothing any more."""
        self._checked(await self._http.delete(f"{PREFIX}/studies/{study_id}/shares/{share}"))

    async def publications(self, study_id: int) -> list[PublicationView]:
        """What was published of a study, the newest first."""
        return (await self._get(f"/studies/{study_id}/publications", Page[PublicationView])).items

    async def publish(self, study_id: int) -> PublicationView:
        """Publish a study's report as it is now."""
        return await self._send("POST", f"/studies/{study_id}/publications", PublicationView)

    async def withdraw(self, study_id: int, publication: int) -> PublicationView:
        """Take a published report back."""
        path = f"/studies/{study_id}/publications/{publication}"
        return await self._send("DELETE", path, PublicationView)

    async def comparison(self, study_id: int) -> Comparison:
        """Methods by metrics."""
        return await self._get(f"/studies/{study_id}/comparison", Comparison)

    async def cells_table(self, study_id: int) -> list[dict[str, Any]]:
        """The cells of a study's comparison, a row for each: what `pandas.DataFrame` takes."""
        return cell_rows(await self.comparison(study_id))

    async def significance(self, study_id: int) -> SignificanceView:
        """Which methods of a study differ in quality, and which are tied with the best."""
        return await self._get(f"/studies/{study_id}/significance", SignificanceView)

    async def environments(self, study_id: int) -> Environments:
        """Hardware and versions of a study's runs."""
        return await self._get(f"/studies/{study_id}/environments", Environments)

    async def predicted_costs(self, study_id: int) -> PredictedCosts:
        """What could be said of a study's costs before its launch, beside what its runs measured."""
        return await self._get(f"/studies/{study_id}/predicted-costs", PredictedCosts)

    async def pareto(
        self,
        study_id: int,
        x: str = "trainable_parameters",
        y: str = "task_performance",
        z: str | None = None,
        floor: float | None = None,
    ) -> Pareto:
        """The configurations of a study against two or three metrics, and who is on the front."""
        return await self._get(f"/studies/{study_id}/pareto", Pareto, {"x": x, "y": y, "z": z, "floor": floor})

    async def sweeps(self, study_id: int) -> Sweeps:
        """A study's methods against one of their hyper-parameters."""
        return await self._get(f"/studies/{study_id}/sweep", Sweeps)

    async def add_runs(
        self, study_id: int, runs: RunsElsewhere | dict[str, Any], key: str | None = None
    ) -> Page[RunView]:
        """Take runs that were trained elsewhere into a study; `key` makes sending them again harmless."""
        body = runs.model_dump(mode="json") if isinstance(runs, RunsElsewhere) else runs
        headers = {"Idempotency-Key": key} if key else {}
        return await self._send("POST", f"/studies/{study_id}/runs", Page[RunView], body, headers)

    async def add_points(self, run_id: int, points: GivenPoints | dict[str, Any]) -> PointsWritten:
        """Write values of an imported run's series."""
        body = points.model_dump(mode="json") if isinstance(points, GivenPoints) else points
        return await self._send("POST", f"/runs/{run_id}/points", PointsWritten, body)

    async def import_hf_peft(self, files: Mapping[str, bytes]) -> ImportReport:
        """Import published result files: their bytes by their paths, e.g. MetaMathQA/results/lora--....json."""
        parts = [("files", (path, content, "application/json")) for path, content in files.items()]
        answer = await self._http.post(f"{PREFIX}/imports/hf-peft", files=parts)
        return ImportReport.model_validate_json(self._checked(answer).content)

    async def export_study(self, study_id: int, format: str = "json") -> str:
        """The study as json (with its results), yaml (its document), csv or md (its cells), or html (a report)."""
        answer = await self._http.get(f"{PREFIX}/studies/{study_id}/export", params={"format": format})
        return self._checked(answer).text

    async def import_study(self, content: bytes) -> StudyView:
        """Take over a study that was exported as json, with its results; the same file changes nothing again."""
        return (await self.import_study_once(content))[0]

    async def import_study_once(self, content: bytes) -> tuple[StudyView, bool]:
        """The same, and whether the study is new."""
        headers = {"Content-Type": "application/json"}
        answer = self._checked(await self._http.post(f"{PREFIX}/imports/study", content=content, headers=headers))
        return StudyView.model_validate_json(answer.content), answer.status_code == httpx.codes.CREATED

    async def runs(self, **filters: Any) -> Page[RunView]:
        """A page of runs; filters: study_id, status, purpose, method, device, order, metric, cursor, limit."""
        return await self._get("/runs", Page[RunView], filters)

    async def run(self, run_id: int) -> RunDetail:
        """One run."""
        return await self._get(f"/runs/{run_id}", RunDetail)

    async def cancel_run(self, run_id: int) -> RunDetail:
        """Cancel or stop a run."""
        return await self._send("POST", f"/runs/{run_id}/cancel", RunDetail)

    async def retry_run(self, run_id: int) -> RunDetail:
        """Queue a new run in place of one that failed or was cancelled."""
        return await self._send("POST", f"/runs/{run_id}/retry", RunDetail)

    async def series(self, run_id: int, key: str, after: int = -1, max_points: int = 320) -> Series:
        """A series of a run, thinned on the server."""
        parameters = {"key": key, "after": after, "max_points": max_points}
        return await self._get(f"/runs/{run_id}/series", Series, parameters)

    async def curves(self, run_id: int, max_points: int = 320, *, evenly: bool = False) -> Curves:
        """Every series of a run, thinned on the server, and full fine-tuning's loss beside its own. evenly: to steps
        that series share, instead of to those that keep the shape of each."""
        parameters = {"max_points": max_points, "evenly": evenly}
        return await self._get(f"/runs/{run_id}/curves", Curves, parameters)

    async def log(
        self, run_id: int, after: int = 0, before: int | None = None, query: str | None = None
    ) -> Page[LogLine]:
        """Log lines of a run after line `after`, or the last ones before line `before`; those that contain `query`."""
        return await self._get(f"/runs/{run_id}/log", Page[LogLine], {"after": after, "before": before, "q": query})

    async def run_estimate(self, run_id: int) -> EstimateView:
        """What the cost model says of a run that has begun."""
        return await self._get(f"/runs/{run_id}/estimate", EstimateView)

    async def examples(self, run_id: int) -> ExamplesView:
        """What a question to a run's model consists of, with some items of the test split."""
        return await self._get(f"/runs/{run_id}/examples", ExamplesView)

    async def predictions(self, run_id: int) -> PredictionsView:
        """The test split item by item."""
        return await self._get(f"/runs/{run_id}/predictions", PredictionsView)

    async def diagnosis(self, run_id: int) -> DiagnosisView:
        """What went wrong in a run."""
        return await self._get(f"/runs/{run_id}/diagnosis", DiagnosisView)

    async def spectrum(self, run_id: int, layer: str | None = None) -> SpectrumView:
        """The singular values of what a run has learned, of one layer; the most changed one unless asked."""
        return await self._get(f"/runs/{run_id}/spectrum", SpectrumView, {"layer": layer})

    async def estimate(self, request: EstimateRequest) -> EstimateView:
        """What a run will cost, before it is launched."""
        return await self._send("POST", "/estimates", EstimateView, request.model_dump(mode="json", by_alias=True))

    async def estimate_study(self, request: StudyEstimateRequest | dict[str, Any]) -> StudyEstimate:
        """What every row of a study will cost, and all that launching it would refuse."""
        body = request.model_dump(mode="json") if isinstance(request, StudyEstimateRequest) else request
        return await self._send("POST", "/estimates/study", StudyEstimate, body)

    async def upload_dataset(self, name: str, content: bytes) -> DatasetView:
        """Keep a dataset file, which studies then name by `dataset`."""
        answer = await self._http.post(f"{PREFIX}/datasets", files={"file": (name, content)})
        return DatasetView.model_validate_json(self._checked(answer).content)

    async def datasets(self) -> list[DatasetView]:
        """The uploaded datasets, the newest first."""
        return (await self._get("/datasets", Page[DatasetView])).items

    async def preview_dataset(self, dataset_id: int, **mapping: Any) -> DatasetPreview:
        """First rows and columns of a dataset; mapping: kind, text, label, pair, group, choices."""
        return await self._get(f"/datasets/{dataset_id}/preview", DatasetPreview, mapping)

    async def templates(self) -> list[TemplateView]:
        """The study documents kept to start from."""
        return (await self._get("/templates", Page[TemplateView])).items

    async def keep_template(self, name: str, document: StudyDocument | dict[str, Any]) -> TemplateView:
        """Keep a study document under a name."""
        whole = document if isinstance(document, StudyDocument) else StudyDocument.model_validate(document)
        body = TemplateEntry(name=name, document=whole).model_dump(mode="json")
        return await self._send("POST", "/templates", TemplateView, body)

    async def delete_template(self, template_id: int) -> None:
        """Delete a template."""
        self._checked(await self._http.delete(f"{PREFIX}/templates/{template_id}"))

    async def read_yaml(self, text: str) -> StudyDocument:
        """The study document of a YAML text."""
        return await self._send("POST", "/study-documents/read", StudyDocument, {"yaml": text})

    async def write_yaml(self, document: StudyDocument | dict[str, Any]) -> str:
        """A study document as YAML."""
        body = document.model_dump(mode="json") if isinstance(document, StudyDocument) else document
        return (await self._send("POST", "/study-documents/write", StudyText, body)).yaml

    async def predict(self, run_id: int, request: PredictRequest) -> PredictionView:
        """What a run's model and its base answer; waits for a worker."""
        return await self._send("POST", f"/runs/{run_id}/predict", PredictionView, request.model_dump(mode="json"))

    async def merge(self, run_id: int) -> MergedView:
        """Merge a run's adapter into its base; waits for a worker."""
        return await self._send("POST", f"/runs/{run_id}/merge", MergedView)

    async def recommend(self, request: RecommendationRequest) -> Recommendation:
        """Which method fits."""
        return await self._send("POST", "/recommendations", Recommendation, request.model_dump(mode="json"))

    async def look_up(self, request: LookupRequest) -> Lookup:
        """Which method fits a case that may not have been measured."""
        return await self._send("POST", "/lookups", Lookup, request.model_dump(mode="json", by_alias=True))

    async def selection_guide(self, study_id: int | None = None, **limits: float) -> SelectionGuide:
        """The selection guide from one study or from all; limits: peak_memory_bytes, storage_bytes."""
        return await self._get("/recommendations/tree", SelectionGuide, {"study": study_id, **limits})

    async def who_am_i(self) -> SessionView:
        """Who this client acts for, in which team, as what."""
        return await self._get("/auth/session", SessionView)

    async def team_limits(self) -> TeamQuota:
        """What the caller's team may take of the installation, and what it takes now."""
        return await self._get("/team/limits", TeamQuota)

    async def limits_of_teams(self) -> list[TeamQuota]:
        """The same of every team; for operators."""
        return (await self._get("/teams/limits", Page[TeamQuota])).items

    async def set_limits(self, team: int, limits: TeamLimits) -> TeamQuota:
        """Give a team other limits, as an operator."""
        return await self._send("PUT", f"/teams/{team}/limits", TeamQuota, limits.model_dump(mode="json"))

    async def hub_token(self) -> HubTokenView:
        """Whether the caller's team has a token of the model hub of its own."""
        return await self._get("/team/hub-token", HubTokenView)

    async def set_hub_token(self, token: str) -> HubTokenView:
        """Have the team's downloads go with a token of its own, as an administrator. It is not told again."""
        return await self._send("PUT", "/team/hub-token", HubTokenView, {"token": token})

    async def clear_hub_token(self) -> None:
        """Have the team's downloads go with the installation's token again."""
        self._checked(await self._http.delete(f"{PREFIX}/team/hub-token"))

    async def log_out_everywhere(self) -> None:
        """End every session of one's own."""
        self._checked(await self._http.post(f"{PREFIX}/auth/logout-everywhere"))

    async def choose_team(self, team: str) -> SessionView:
        """Show another of one's own teams from now on."""
        return await self._send("PUT", "/auth/team", SessionView, {"team": team})

    async def users(self) -> list[UserView]:
        """Every user of the installation; for operators."""
        return (await self._get("/users", Page[UserView])).items

    async def add_user(self, entry: UserEntry) -> UserView:
        """Make a user with a password; for operators."""
        return await self._send("POST", "/users", UserView, entry.model_dump(mode="json"))

    async def change_user(self, user: str, *, disabled: bool | None = None, operator: bool | None = None) -> UserView:
        """Keep a user out or let them in, have them run the installation or no longer; for operators."""
        body = {"disabled": disabled, "operator": operator}
        return await self._send("PATCH", f"/users/{quote(user, safe='')}", UserView, body)

    async def teams(self) -> list[TeamView]:
        """Every team of the installation; for operators."""
        return (await self._get("/teams", Page[TeamView])).items

    async def create_team(self, slug: str) -> TeamView:
        """Make a team; for operators."""
        return await self._send("POST", "/teams", TeamView, {"slug": slug})

    async def add_member(self, team: str, user: str, role: Role) -> MemberView:
        """Bring a user into any team; for operators."""
        path = f"/teams/{quote(team, safe='')}/members"
        return await self._send("POST", path, MemberView, {"user": user, "role": role})

    async def members(self) -> list[MemberView]:
        """Who belongs to one's own team."""
        return (await self._get("/team/members", Page[MemberView])).items

    async def change_role(self, user: str, role: Role) -> MemberView:
        """Give a member of one's own team another role; for its administrators."""
        return await self._send("PATCH", f"/team/members/{quote(user, safe='')}", MemberView, {"role": role})

    async def remove_member(self, user: str) -> None:
        """Take a member out of one's own team; for its administrators."""
        self._checked(await self._http.delete(f"{PREFIX}/team/members/{quote(user, safe='')}"))

    async def invitations(self) -> list[InvitationView]:
        """The team's invitations, the newest first; for its administrators."""
        return (await self._get("/invitations", Page[InvitationView])).items

    async def invite(self, entry: InvitationEntry) -> NewInvitation:
        """An invitation for one person, with its link; for the team's administrators."""
        return await self._send("POST", "/invitations", NewInvitation, entry.model_dump(mode="json"))

    async def revoke_invitation(self, invitation: int) -> None:
        """Make an invitation's link useless; for the team's administrators."""
        self._checked(await self._http.delete(f"{PREFIX}/invitations/{invitation}"))

    async def tokens(self) -> list[TokenView]:
        """One's own API tokens, an administrator's the whole team's."""
        return (await self._get("/tokens", Page[TokenView])).items

    async def create_token(self, entry: TokenEntry) -> NewToken:
        """A token that acts for oneself, with its secret."""
        return await self._send("POST", "/tokens", NewToken, entry.model_dump(mode="json"))

    async def revoke_token(self, token: int) -> None:
        """Make a token useless."""
        self._checked(await self._http.delete(f"{PREFIX}/tokens/{token}"))

    async def audit(self, *, installation: bool = False, **filters: str | int | None) -> Page[AuditView]:
        """A page of what was done in one's own team, or in the whole installation; the newest first."""
        return await self._get("/audit/installation" if installation else "/audit", Page[AuditView], filters)

    async def storage(self) -> StorageView:
        """How much room the installation takes, and what is left."""
        return await self._get("/storage", StorageView)

    async def sweep_storage(self) -> StorageView:
        """Delete what lost workers and interrupted deletions have left."""
        return await self._send("POST", "/storage/sweep", StorageView)

    async def system(self) -> SystemView:
        """Versions, database, settings that are set, and what is not installed."""
        return await self._get("/system", SystemView)

    async def check_ready(self) -> None:
        """Nothing where the server can do its work; raises ApiProblem with what is wrong where it cannot."""
        self._checked(await self._http.get(f"{PREFIX}/readyz"))

    async def compare_studies(self, **question: str | None) -> StudiesCompared:
        """Methods over several studies; question: kind, studies and methods (with commas between), a, b."""
        return await self._get("/comparisons", StudiesCompared, question)

    async def published_models(self) -> list[PublishedModelCard]:
        """Models whose configuration a paper prints."""
        return (await self._get("/guide/models", Page[PublishedModelCard])).items

    async def costs(self, request: CostsRequest) -> CostsView:
        """What the chapter's methods cost on a base model, by formula."""
        return await self._send("POST", "/guide/costs", CostsView, request.model_dump(mode="json", by_alias=True))

    async def claims(self) -> Claims:
        """The chapter's claims with their verdicts."""
        return await self._get("/guide/claims", Claims)

    async def sightings(self) -> Sightings:
        """Runs at hand by the symptom that was found in them."""
        return await self._get("/guide/sightings", Sightings)

    async def _get(self, path: str, kind: type[T], parameters: dict[str, Any] | None = None) -> T:
        asked = {name: value for name, value in (parameters or {}).items() if value is not None}
        return kind.model_validate_json(self._checked(await self._http.get(PREFIX + path, params=asked)).content)

    async def _send(
        self, method: str, path: str, kind: type[T], body: Any = None, headers: dict[str, str] | None = None
    ) -> T:
        answer = await self._http.request(method, PREFIX + path, json=body, headers=headers)
        return kind.model_validate_json(self._checked(answer).content)

    @staticmethod
    def _checked(answer: httpx.Response) -> httpx.Response:
        if answer.is_success:
            return answer
        told = answer.json() if "json" in answer.headers.get("content-type", "") else {}
        title, detail = told.get("title", "Refused"), told.get("detail", f"The server answered {answer.status_code}.")
        raise ApiProblem(answer.status_code, title, detail, told.get("errors", []))
