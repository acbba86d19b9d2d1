"""A model hub on loopback: the endpoints that huggingface_hub calls, for small repositories that live in memory.

Large files lie on a second address, as on the real hub, to which the first one redirects.
"""

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

LARGE = (".safetensors", ".parquet", ".bin")
API = re.compile(r"/api/(model|dataset)s/([^/]+/[^/]+)(?:/(revision|tree)/([^/]+))?")
RESOLVE = re.compile(r"/(datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


@dataclass
class Repository:
    """A repository with its history: commits by hash, branches by name."""

    kind: str = "model"
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    announced_bytes: dict[str, int] = field(default_factory=dict)
    """Sizes that the listing gives instead of the true ones."""
    gated_for: frozenset[str] | None = None
    """The tokens that may read its files; None: everybody may."""
    private: bool = False

    def commit(self, files: dict[str, bytes], branch: str = "main") -> str:
        """Make a commit of all its files and move the branch to it; returns its hash."""
        named = json.dumps([(name, hashlib.sha1(content).hexdigest()) for name, content in sorted(files.items())])
        sha = hashlib.sha1(f"{len(self.commits)} {named}".encode()).hexdigest()
        self.commits[sha], self.branches[branch] = files, sha
        return sha

    def files_at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        sha = self.branches.get(revision, revision)
        return (sha, self.commits[sha]) if sha in self.commits else None


@dataclass
class Request:
    method: str
    path: str
    token: str | None
    bytes_from: int = 0


class HubServer:
    """The running hub.

    `break_after` has, for a file's name, the byte at which each next answer breaks off. A file in `held` stops half-way
    until `release` is set.
    """

    def __init__(self) -> None:
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.requests: list[Request] = []
        self.break_after: dict[str, list[int]] = {}
        self.held: set[str] = set()
        self.release = threading.Event()
        self.out_of_order = self.stopped = False
        self._hub = _Server(("127.0.0.1", 0), type("Hub", (_HubHandler,), {"hub": self}))
        self._store = _Server(("127.0.0.1", 0), type("Store", (_StoreHandler,), {"hub": self}))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._hub.server_port}"

    @property
    def store_url(self) -> str:
        return f"http://127.0.0.1:{self._store.server_port}"

    def add(self, name: str, files: dict[str, bytes], kind: str = "model", **more: Any) -> Repository:
        repository = self.repositories[(kind, name)] = Repository(kind, **more)
        repository.commit(files)
        return repository

    def files_got(self) -> list[str]:
        """The names of files whose bytes were asked for, in order."""
        store = [request.path.rsplit("/", 1)[-1] for request in self.requests if request.path.startswith("/store/")]
        small = [
            match[4]
            for request in self.requests
            if request.method == "GET" and (match := RESOLVE.fullmatch(request.path)) and not match[4].endswith(LARGE)
        ]
        return small + store

    @contextmanager
    def running(self) -> "Iterator[HubServer]":
        servers = (self._hub, self._store)
        threads = [threading.Thread(target=server.serve_forever, args=(0.02,)) for server in servers]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self.stop()
            for thread in threads:
                thread.join()

    def stop(self) -> None:
        """From now on nobody answers."""
        self.stopped = True
        self.release.set()
        for server in (self._hub, self._store):
            server.shutdown()
            server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_request: object) -> None:
        """Clients are killed on purpose."""


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *_arguments: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        if self.hub.stopped:
            self.close_connection = True
            return
        start = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        token = self.headers.get("Authorization")
        path = urlsplit(self.path).path
        first = int(start[1]) if start else 0
        self.hub.requests.append(Request(self.command, path, token.removeprefix("Bearer ") if token else None, first))
        self.answer(path, token.removeprefix("Bearer ") if token else None, first)

    def answer(self, path: str, token: str | None, first: int) -> None:
        raise NotImplementedError

    def send(
        self, status: int, headers: dict[str, str], body: bytes = b"", cut: int | None = None, hold: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        half = len(body) // 2 if hold else 0
        self.wfile.write(body[:half])
        if hold:
            self.wfile.flush()
            self.hub.release.wait(60)
        # Whoever was to read the rest may have been killed.
        with suppress(ConnectionError):
            self.wfile.write(body[half:cut])
        self.close_connection = cut is not None

    def refuse(self, status: int, code: str, message: str = "") -> None:
        self.send(status, {"X-Error-Code": code, "X-Error-Message": message})

    def send_file(self, name: str, content: bytes, first: int, headers: dict[str, str]) -> None:
        cuts = self.hub.break_after.get(name, []) if self.command == "GET" else []
        cut = max(0, cuts.pop(0) - first) if cuts else None
        status = 206 if first else 200
        ranged = {"Content-Range": f"bytes {first}-{len(content) - 1}/{len(content)}"} if first else {}
        self.send(status, headers | ranged, content[first:], cut, hold=name in self.hub.held)


class _HubHandler(_Handler):
    def answer(self, path: str, token: str | None, first: int) -> None:
        if self.hub.out_of_order:
            self.send(503, {})
        elif match := API.fullmatch(path):
            self.describe(match, token)
        elif match := RESOLVE.fullmatch(path):
            self.resolve(match, token, first)
        else:
            self.send(404, {})

    def describe(self, match: re.Match[str], token: str | None) -> None:
        found = self.commit_of(match[1], match[2], unquote(match[4] or "main"), token)
        if found is None:
            return
        repository, sha, files = found
        listed = [_entry(name, content, repository.announced_bytes.get(name)) for name, content in files.items()]
        if match[3] == "tree":
            body: Any = [
                {"type": "file", "path": entry["rfilename"], "oid": entry["blobId"]} | entry for entry in listed
            ]
        else:
            body = {"id": match[2], "sha": sha, "gated": repository.gated_for is not None, "siblings": listed}
        self.send(200, {"Content-Type": "application/json"}, json.dumps(body).encode())

    def resolve(self, match: re.Match[str], token: str | None, first: int) -> None:
        found = self.commit_of("dataset" if match[1] else "model", match[2], match[3], token)
        if found is None:
            return
        repository, sha, files = found
        if repository.gated_for is not None and token not in repository.gated_for:
            self.refuse(403 if token else 401, "GatedRepo", "Access is restricted.")
        elif match[4] not in files:
            self.send(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": sha})
        else:
            self.send_resolved(match[4], files[match[4]], sha, first)

    def send_resolved(self, name: str, content: bytes, sha: str, first: int) -> None:
        digest = hashlib.sha256(content).hexdigest()
        if not name.endswith(LARGE):
            self.send_file(name, content, first, {"ETag": f'"{_git_sha1(content)}"', "X-Repo-Commit": sha})
            return
        headers = {"X-Repo-Commit": sha, "X-Linked-Size": str(len(content)), "X-Linked-Etag": f'"{digest}"'}
        self.send(302, headers | {"Location": f"{self.hub.store_url}/store/{digest}/{name.rsplit('/', 1)[-1]}"})

    def commit_of(
        self, kind: str, name: str, revision: str, token: str | None
    ) -> tuple[Repository, str, dict[str, bytes]] | None:
        """The commit; None where the refusal has been sent."""
        repository = self.hub.repositories.get((kind, name))
        if token == "expired":
            self.refuse(401, "", "Invalid credentials in Authorization header")
            return None
        hidden = repository is not None and repository.private and not token
        if repository is None or hidden:
            self.refuse(404 if token else 401, "RepoNotFound", "Repository not found")
            return None
        found = repository.files_at(revision)
        if found is None:
            self.refuse(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            return None
        return repository, *found


class _StoreHandler(_Handler):
    """Signed addresses on another host: the token has no business here."""

    def answer(self, path: str, token: str | None, first: int) -> None:
        _, _, digest, name = path.split("/")
        contents = (
            content
            for repository in self.hub.repositories.values()
            for files in repository.commits.values()
            for content in files.values()
        )
        found = next((content for content in contents if hashlib.sha256(content).hexdigest() == digest), None)
        if found is None:
            self.send(404, {})
        else:
            self.send_file(name, found, first, {"ETag": f'"{digest}"'})


def _entry(name: str, content: bytes, announced: int | None) -> dict[str, Any]:
    size = len(content) if announced is None else announced
    entry: dict[str, Any] = {"rfilename": name, "size": size, "blobId": _git_sha1(content)}
    if name.endswith(LARGE):
        digest = hashlib.sha256(content).hexdigest()
        entry["lfs"] = {"size": size, "sha256": digest, "oid": digest, "pointerSize": 130}
    return entry


def _git_sha1(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
