"""An identity provider on loopback: OpenID Connect's discovery, keys, authorization and token endpoints.

It lets in whoever `person` says, at once. `claims` and the other marks have it answer wrongly.
"""

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

CLIENT, SECRET = "peft-atlas", "the secret of a test's client"


@dataclass
class Provider:
    """The running provider, and what was asked of it."""

    person: dict[str, Any] = field(default_factory=lambda: {"sub": "4711", "preferred_username": "Kim"})
    claims: dict[str, Any] = field(default_factory=dict)
    """What the ID token says instead; None takes a claim away."""
    algorithm: str = "ES256"
    foreign_key: bool = False
    issuer_told: str | None = None
    token_endpoint: str | None = None
    requests: list[str] = field(default_factory=list)
    asked: dict[str, dict[str, str]] = field(default_factory=dict)
    """What the browser brought, by the code it was sent back with."""

    def __post_init__(self) -> None:
        self.key = ECKey.generate_key("P-256", {"kid": "first", "use": "sig", "alg": "ES256"})
        self.other_key = ECKey.generate_key("P-256", {"kid": "first"})
        self._server = _Server(("127.0.0.1", 0), type("Endpoints", (_Endpoints,), {"provider": self}))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    @contextmanager
    def running(self) -> "Iterator[Provider]":
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer_told or self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": self.token_endpoint or f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
        }

    def let_in(self, asked: dict[str, str]) -> str:
        """Where the browser is sent back to."""
        code = secrets.token_urlsafe(8)
        self.asked[code] = asked
        return asked["redirect_uri"] + "?" + urlencode({"code": code, "state": asked["state"]})

    def id_token(self, nonce: str) -> str:
        moment = int(time.time())
        told = {"iss": self.url, "aud": CLIENT, "iat": moment, "exp": moment + 60, "nonce": nonce}
        said = {name: value for name, value in (told | self.person | self.claims).items() if value is not None}
        if self.algorithm == "none":
            head, body = (_encoded(json.dumps(part).encode()) for part in ({"alg": "none"}, said))
            return f"{head}.{body}."
        if self.algorithm == "HS256":
            # The well-known confusion: the public key as if it were a secret that both sides share.
            public = json.dumps(self.key.as_dict(private=False)).encode()
            return jwt.encode({"alg": "HS256", "kid": "first"}, said, OctKey.import_key(public))
        return jwt.encode({"alg": "ES256", "kid": "first"}, said, self.other_key if self.foreign_key else self.key)


class _Server(ThreadingHTTPServer):
    daemon_threads = True


class _Endpoints(BaseHTTPRequestHandler):
    provider: Provider

    def log_message(self, *_arguments: object) -> None:
        pass

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.provider.requests.append(parts.path)
        match parts.path:
            case "/.well-known/openid-configuration":
                self.send(200, self.provider.configuration())
            case "/keys":
                self.send(200, {"keys": [self.provider.key.as_dict(private=False)]})
            case "/authorize":
                self.send_response(302)
                self.send_header("location", self.provider.let_in(dict(parse_qsl(parts.query))))
                self.end_headers()
            case "/elsewhere":
                self.send(200, {"id_token": self.provider.id_token("x")})
            case _:
                self.send(404, {})

    def do_POST(self) -> None:
        self.provider.requests.append(self.path)
        sent = dict(parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("location", f"{self.provider.url}/elsewhere")
            self.end_headers()
            return
        asked = self.provider.asked.pop(sent.get("code", ""), None)
        if self.client() != (CLIENT, SECRET) or asked is None or not _proves(asked, sent):
            self.send(400, {"error": "invalid_grant"})
            return
        told = {"access_token": "x", "token_type": "Bearer", "id_token": self.provider.id_token(asked["nonce"])}
        self.send(200, told)

    def client(self) -> tuple[str, ...]:
        given = base64.b64decode(self.headers.get("authorization", "").removeprefix("Basic ")).decode()
        return tuple(unquote(part) for part in given.split(":", 1))

    def send(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def _proves(asked: dict[str, str], sent: dict[str, str]) -> bool:
    """PKCE: whoever fetches the token is who began, and names the same address."""
    challenge = _encoded(hashlib.sha256(sent.get("code_verifier", "").encode()).digest())
    same = sent.get("redirect_uri") == asked["redirect_uri"]
    return same and asked["code_challenge_method"] == "S256" and challenge == asked["code_challenge"]


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
