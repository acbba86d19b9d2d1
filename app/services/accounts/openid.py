"""Logging in at an identity provider: OpenID Connect's authorization code with PKCE, state and nonce.

What is asked of the provider is bound to the browser that began by a signed, short-lived value in its cookie: another
browser, or the same one later, cannot finish it. What the provider says is believed only as far as its signature goes.
"""

import hashlib
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote, urlsplit

import httpx
from authlib.oauth2.rfc7636 import create_s256_code_challenge  # type: ignore[import-untyped]
from authlib.oidc.core import CodeIDToken  # type: ignore[import-untyped]
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization, OctKey
from joserfc.jwt import JWTClaimsRegistry

from app.errors import Forbidden, Unavailable
from app.language import tr
from app.services.accounts.binding import is_loopback
from app.settings import Settings

SECONDS_TO_FINISH = 600
TIMEOUT_SECONDS = 10
LEEWAY_SECONDS = 30
"""By how much the provider's clock may differ."""
SIGNED_BY = ["RS256", "PS256", "ES256", "ES384"]
"""Never "none", and never a key that both sides share."""
SCOPE = "openid profile email"


@dataclass(frozen=True)
class Begun:
    """Where a browser goes to log in, and what its cookie keeps meanwhile."""

    url: str
    cookie: str


@dataclass(frozen=True)
class Person:
    """Whom the provider says the browser belongs to. wish: the name they would like to have."""

    issuer: str
    subject: str
    wish: str


@dataclass(frozen=True)
class Finished:
    """A person, with what they wanted when they began: where to go on, and an invitation they hold."""

    person: Person
    next: str
    invitation: str


def begin(settings: Settings, redirect_uri: str, next: str, invitation: str) -> Begun:
    """Send a browser to the provider."""
    provider = _discover(settings)
    state, nonce, verifier = (secrets.token_urlsafe(48) for _ in range(3))
    asked = {
        "response_type": "code",
        "client_id": settings.oidc_client_id,
        "redirect_uri": redirect_uri,
        "scope": SCOPE,
        "state": state,
        "nonce": nonce,
        "code_challenge": create_s256_code_challenge(verifier),
        "code_challenge_method": "S256",
    }
    kept = {"state": state, "nonce": nonce, "verifier": verifier, "next": next, "invitation": invitation}
    ends = int(time.time()) + SECONDS_TO_FINISH
    cookie = jwt.encode({"alg": "HS256"}, kept | {"exp": ends}, _key(settings))
    return Begun(str(httpx.URL(_endpoint(provider, "authorization_endpoint")).copy_merge_params(asked)), cookie)


def finish(settings: Settings, redirect_uri: str, cookie: str, answer: Mapping[str, str]) -> Finished:
    """Whom the provider has let in, by the address that it sent the browser back to. Raises Forbidden for anything that
    is not an answer to what this very browser had begun."""
    kept = _kept(settings, cookie)
    if not secrets.compare_digest(answer.get("state", "").encode(), kept["state"].encode()):
        raise Forbidden(tr("This login was not begun by this browser, or a while ago. Begin again."))
    if answer.get("iss", settings.oidc_issuer) != settings.oidc_issuer or "code" not in answer:
        raise _refused()
    provider = _discover(settings)
    id_token = _id_token(settings, redirect_uri, provider, answer["code"], kept["verifier"])
    return Finished(_person(settings, provider, id_token, kept["nonce"]), kept["next"], kept["invitation"])


def _kept(settings: Settings, cookie: str) -> dict[str, str]:
    try:
        found = jwt.decode(cookie, _key(settings), algorithms=["HS256"]).claims
        JWTClaimsRegistry(exp={"essential": True}).validate(found)
    except (JoseError, ValueError) as broken:
        raise Forbidden(tr("This login was not begun by this browser, or a while ago. Begin again.")) from broken
    return cast(dict[str, str], found)


def _key(settings: Settings) -> OctKey:
    """Every web process of the installation has it, and nobody else."""
    return OctKey.import_key(hashlib.sha256(f"login state {settings.oidc_secret}".encode()).hexdigest())


def _id_token(settings: Settings, redirect_uri: str, provider: Mapping[str, Any], code: str, verifier: str) -> str:
    sent = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "code_verifier": verifier,
        "client_id": str(settings.oidc_client_id),
    }
    client, secret = quote(str(settings.oidc_client_id)), quote(str(settings.oidc_secret))
    basic = "client_secret_basic" in provider.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    told = _told(
        settings,
        "POST",
        _endpoint(provider, "token_endpoint"),
        data=sent if basic else sent | {"client_secret": str(settings.oidc_secret)},
        auth=(client, secret) if basic else None,
    )
    return str(told.get("id_token", ""))


def _person(settings: Settings, provider: Mapping[str, Any], id_token: str, nonce: str) -> Person:
    keys = cast(KeySetSerialization, _told(settings, "GET", _endpoint(provider, "jwks_uri")))
    try:
        token = jwt.decode(id_token, KeySet.import_key_set(keys), algorithms=SIGNED_BY)
        expected = {"iss": {"value": settings.oidc_issuer}, "aud": {"value": settings.oidc_client_id}}
        asked = {"nonce": nonce, "client_id": settings.oidc_client_id}
        claims = CodeIDToken(token.claims, token.header, options=expected, params=asked)
        claims.validate(leeway=LEEWAY_SECONDS)
    except (JoseError, ValueError, KeyError, TypeError) as broken:
        raise _refused() from broken
    wish = claims.get("preferred_username") or claims.get("email") or ""
    return Person(str(settings.oidc_issuer), str(claims["sub"]), str(wish))


def _discover(settings: Settings) -> dict[str, Any]:
    """What the provider says of itself, at the address that its name gives and nowhere else."""
    issuer = str(settings.oidc_issuer)
    found = _told(settings, "GET", _safe(issuer.rstrip("/") + "/.well-known/openid-configuration"))
    if found.get("issuer") != issuer:
        raise _away(settings)
    return found


def _told(settings: Settings, method: str, url: str, **sent: Any) -> dict[str, Any]:
    try:
        with httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False) as client:
            answer = client.request(method, url, **sent)
            if method == "POST" and answer.is_client_error:
                raise _refused()
            found = answer.raise_for_status().json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as trouble:
        raise _away(settings) from trouble
    if not isinstance(found, dict):
        raise _away(settings)
    return found


def _endpoint(provider: Mapping[str, Any], name: str) -> str:
    return _safe(str(provider.get(name, "")))


def _safe(url: str) -> str:
    """The address itself. Raises Unavailable where others could read or change what goes there."""
    parts = urlsplit(url)
    if parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        return url
    raise Unavailable(tr("The identity provider must be reached by https. Ask an operator to look at its address."))


def _refused() -> Forbidden:
    return Forbidden(tr("The identity provider did not let you in, or its answer is not to be trusted. Begin again."))


def _away(settings: Settings) -> Unavailable:
    name = settings.oidc_name
    return Unavailable(tr("{provider} did not answer as an identity provider does. Try again later.", provider=name))
