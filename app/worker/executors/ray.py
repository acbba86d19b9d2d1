"""Running runs as tasks of a Ray cluster: the same function as on this machine, with the cores and GPUs it asks for.

The worker is a driver of the cluster and stays the only one that writes to the database; a task's files go to the
store, which every node has to see under the same path. A task gets a process of its own, and Ray never tries one
again by itself: what was lost goes back to the queue, whose attempts are counted and fenced.
"""

import contextlib
import json
import socket
import threading
import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Any

from app.services.store import empty_scratch
from app.worker.executors.executor import Outcome, Share
from app.worker.executors.local import do_run, outcome_of, read_event, set_for_runs
from peft_core.hub_access import Hub
from peft_core.spec import Event, RunSpec

TELL_SECONDS = 0.2
POST_SECONDS = 2.0
"""What the actor has to answer in; it holds the events meanwhile, so that nothing is lost by asking again."""
SHORTAGE_SECONDS = 2.0
KILL_SECONDS = 5.0
CONNECT_SECONDS = 5.0
INSTALL = "The Ray executor needs Ray: pip install 'peft-atlas[ray]', on this machine and on every node of the cluster."


class ClusterUnusable(Exception):
    """There is no Ray, no cluster, or not what runs ask of it; says what to do."""


@dataclass(frozen=True)
class Request:
    """What a quality run asks of the cluster."""

    cpus: int
    gpus: float

    def fits(self, resources: dict[str, float]) -> int:
        """How many times over it fits a node."""
        times = [resources.get("CPU", 0.0) / self.cpus]
        if self.gpus:
            times.append(resources.get("GPU", 0.0) / self.gpus)
        return int(min(times))

    def __str__(self) -> str:
        return f"{self.cpus} CPU and {self.gpus:g} GPU"


@dataclass
class Letters:
    """A run's events on their way, and what it is asked for on their way back."""

    events: list[str] = field(default_factory=list)
    read: int = 0
    """How many events went before those."""
    begun: bool = False
    pause: bool = False


class Post:
    """The actor between the worker and its runs. An event stays in it until the worker has said that it has it."""

    def __init__(self) -> None:
        self._letters: defaultdict[str, Letters] = defaultdict(Letters)

    def tell(self, run: str, events: list[str]) -> bool:
        """A run's next events; returns whether it shall pause."""
        letters = self._letters[run]
        letters.events += events
        letters.begun = True
        return letters.pause

    def read(self, run: str, have: int) -> tuple[bool, list[str]]:
        """Whether a run has begun, and its events after the first `have`, which are forgotten here."""
        letters = self._letters[run]
        del letters.events[: have - letters.read]
        letters.read = have
        return letters.begun, letters.events

    def ask_to_pause(self, run: str) -> None:
        """To be told to the run with its next events."""
        self._letters[run].pause = True

    def forget(self, run: str) -> None:
        """A run has ended, and its events are with the worker."""
        self._letters.pop(run, None)


class Telling:
    """A task's side of the post: sends events in batches, and hears whether to pause."""

    def __init__(self, post: Any, run: str) -> None:
        self._post, self._run = post, run
        self._unsent: list[str] = []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._unheard = False
        self._asked_to_pause = False
        self._thread = threading.Thread(target=self._send_regularly, daemon=True)

    def __enter__(self) -> "Telling":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._refuse_unheard()

    def tell(self, event: Event) -> None:
        """Raises BrokenPipeError where nobody listens any more."""
        self._refuse_unheard()
        with self._lock:
            self._unsent.append(event.model_dump_json())

    def asked_to_pause(self) -> bool:
        return self._asked_to_pause

    def _refuse_unheard(self) -> None:
        if self._unheard:
            raise BrokenPipeError("The worker's actor is gone.")

    def _send_regularly(self) -> None:
        try:
            self._send()
            while not self._ended.wait(TELL_SECONDS):
                self._send()
            self._send()
        except _ray().exceptions.RayError:
            self._unheard = True

    def _send(self) -> None:
        with self._lock:
            batch, self._unsent = self._unsent, []
        self._asked_to_pause = _ray().get(self._post.tell.remote(self._run, batch))


def run_as_task(
    run_function: str, spec_json: str, share: Share, environment: dict[str, str], hub: Hub | None, post: Any, name: str
) -> str:
    """A run's task: do the run, tell its events through the post; how it ended, as JSON."""
    # The hub with its token is an argument, not part of an environment, which Ray's dashboard would show.
    set_for_runs(environment)
    with Telling(post, name) as telling:
        return json.dumps(do_run(run_function, spec_json, share, hub, telling.tell, telling.asked_to_pause))


class RunningTask:
    """A run's task in the cluster."""

    def __init__(self, executor: "RayExecutor", post: Any, name: str, task: Any) -> None:
        self._executor, self._post, self._name, self._task = executor, post, name, task
        self._have = 0
        self._begun = False
        self._outcome: Outcome | None = None

    def poll(self) -> tuple[list[Event], Outcome | None]:
        """The events that have arrived since the last call, and how the run ended; None while it runs."""
        if self._outcome is not None:
            return [], self._outcome
        done, _ = _ray().wait([self._task], timeout=0)
        try:
            # Read after that: a task returns when the post has its last events.
            events = self._read_events()
        except _ray().exceptions.GetTimeoutError:
            return [], None
        except _ray().exceptions.RayError as error:
            self._end(
                Outcome(None, f"The actor that its events come through was lost: {_first_line(error)}", lost=True)
            )
            return [], self._outcome
        if done:
            self._end(self._read_outcome())
        elif not self._begun and self._executor.shortage():
            # The node that it waited for is gone. Nothing was lost, so this is none of its three attempts.
            self._end(Outcome(None, "the node that it waited for is gone", paused=True))
        return events, self._outcome

    def stop(self) -> None:
        """End the task. Ray kills its process at once, or takes it out of its queue."""
        self._cancel()

    def pause(self) -> None:
        """Ask the run for a checkpoint, and to stop for now."""
        self._post.ask_to_pause.remote(self._name)

    def kill(self) -> None:
        """End the task, and wait for that."""
        self._cancel()
        _ray().wait([self._task], timeout=KILL_SECONDS)
        self._post.forget.remote(self._name)

    def _cancel(self) -> None:
        with contextlib.suppress(_ray().exceptions.RayError):
            _ray().cancel(self._task, force=True)

    def _read_events(self) -> list[Event]:
        begun, told = _ray().get(self._post.read.remote(self._name, self._have), timeout=POST_SECONDS)
        self._begun = begun
        self._have += len(told)
        return [read_event(json.loads(event)) for event in told]

    def _read_outcome(self) -> Outcome:
        exceptions = _ray().exceptions
        try:
            return outcome_of(json.loads(_ray().get(self._task)))
        except exceptions.TaskCancelledError:
            return Outcome(None, "The run's task was cancelled in the cluster.", lost=True)
        except exceptions.OutOfMemoryError as error:
            reason = "Out of memory on its node. Use a smaller batch, a shorter length or a smaller model."
            return Outcome(None, reason, str(error))
        except exceptions.NodeDiedError as error:
            return Outcome(None, "The node that it ran on died.", str(error), lost=True)
        except exceptions.RayError as error:
            return Outcome(None, f"The run's task was lost: {_first_line(error)}", str(error), lost=True)

    def _end(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self.kill()


class RayExecutor:
    """Starts runs as tasks of a cluster that runs already. `run_function` is what they do, but in tests the real one.

    Raises ClusterUnusable where a run would wait for ever.
    """

    groups = None
    """Each run is a task of its own: Ray finds it a place."""

    def __init__(
        self,
        address: str | None,
        request: Request,
        run_function: str = "peft_core.run:run",
        environment: dict[str, str] | None = None,
    ) -> None:
        self._request = request
        self._run_function = run_function
        self._environment = environment or {}
        self._looked_at = -SHORTAGE_SECONDS
        self._nodes: list[dict[str, float]] = []
        self._post: Any = None
        _connect(address)
        if (shortage := self.shortage()) is not None:
            raise ClusterUnusable(shortage)

    def slots(self, device: str) -> int:
        """As many as the cluster has room for now."""
        return max(1, sum(self._request.fits(node) for node in self._resources()))

    def shortage(self) -> str | None:
        """What runs ask for and no living node has, with the numbers: Ray itself would wait for ever."""
        nodes = self._resources()
        if any(self._request.fits(node) for node in nodes):
            return None
        has = ", ".join(f"{node.get('CPU', 0):g} CPU and {node.get('GPU', 0):g} GPU" for node in nodes) or "none"
        return (
            f"A run asks for {self._request} on one node of the Ray cluster, whose nodes have: {has}. "
            "Add a node, or change PEFT_ATLAS_RAY_CPUS and PEFT_ATLAS_RAY_GPUS."
        )

    def warm_up(self) -> None:
        """Start the actor that events come through."""
        self._living_post()

    def start(self, spec: RunSpec, share: Share, hub: Hub | None = None) -> RunningTask:
        """Submit `spec`, with its own request's cores in the place of the share's. A probe has a node's cores alone,
        as a deployment would."""
        empty_scratch(spec.folder)
        cpus = self._largest_node() if spec.purpose == "probe" else self._request.cpus
        name = f"{spec.run_id}/{spec.folder.name}"
        post = self._living_post()
        # A process for this run alone: its peak memory is its own.
        task = _ray().remote(max_calls=1, max_retries=0)(run_as_task)
        placed = task.options(name=f"run {name}", num_cpus=cpus, num_gpus=self._request.gpus)
        told = (self._run_function, spec.model_dump_json(), replace(share, threads=cpus), self._environment)
        return RunningTask(self, post, name, placed.remote(*told, hub, post, name))

    def _resources(self) -> list[dict[str, float]]:
        """What each living node has in all, at most SHORTAGE_SECONDS old."""
        if time.monotonic() - self._looked_at >= SHORTAGE_SECONDS:
            self._nodes = [node["Resources"] for node in _ray().nodes() if node["Alive"]]
            self._looked_at = time.monotonic()
        return self._nodes

    def _largest_node(self) -> int:
        return int(max((node["CPU"] for node in self._resources() if self._request.fits(node)), default=1))

    def _living_post(self) -> Any:
        """The actor, on the worker's own node, so that no other node's end takes events away; a new one if it died."""
        ray = _ray()
        try:
            if self._post is not None:
                ray.get(self._post.forget.remote(""), timeout=POST_SECONDS)
                return self._post
        except ray.exceptions.RayActorError:
            pass
        except ray.exceptions.GetTimeoutError:
            return self._post
        here = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        self._post = ray.remote(Post).options(num_cpus=0, scheduling_strategy=here).remote()
        return self._post


def _connect(address: str | None) -> None:
    ray = _ray()
    try:
        if address is not None:
            # Ray itself would try for minutes.
            host, _, port = address.rpartition(":")
            socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS).close()
        ray.init(address=address or "auto", log_to_driver=False)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        where = address or "on this machine"
        raise ClusterUnusable(
            f"There is no Ray cluster to connect to at {where} ({_first_line(error)}). Start one with `ray start`, "
            "and set RAY_ADDRESS to host:port of its head; the worker has to run on one of its machines."
        ) from error


def _ray() -> Any:
    """Ray, imported by nobody who has not asked for it."""
    try:
        import ray
        import ray.util.scheduling_strategies
    except ImportError as error:
        raise ClusterUnusable(INSTALL) from error
    return ray


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
