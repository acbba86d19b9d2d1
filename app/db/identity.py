"""Tables of who may do what: users, teams' members, sessions, tokens, invitations, links, and who did what.

Of every secret only its SHA-256 is kept; passwords as argon2id, a team's hub token encrypted.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from app.db.tables import Base, Id, Owned, UtcDateTime


class User(Base):
    """A person. Never deleted, only disabled: what they made carries their name."""

    __tablename__ = "users"
    __table_args__ = (UniqueConstraint("oidc_issuer", "oidc_subject"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    """In lower case; what they log in with and are shown as."""
    password_hash: Mapped[str | None] = mapped_column(Text)
    """NULL where they log in elsewhere, by OpenID Connect."""
    oidc_issuer: Mapped[str | None] = mapped_column(String(300))
    oidc_subject: Mapped[str | None] = mapped_column(String(255))
    operator: Mapped[bool] = mapped_column(default=False)
    """Runs the installation: its users, teams, workers and storage."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Membership(Base):
    """What a user is in a team."""

    __tablename__ = "memberships"

    user_id: Mapped[int] = mapped_column(Id, ForeignKey("users.id"), primary_key=True)
    team_id: Mapped[int] = mapped_column(Id, ForeignKey("teams.id"), primary_key=True, index=True)
    role: Mapped[str] = mapped_column(String(10))
    """viewer, member or admin."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class LoginSession(Base):
    """A browser that somebody logged in with. It ends when its row goes."""

    __tablename__ = "sessions"

    token_sha256: Mapped[str] = mapped_column(String(64), primary_key=True)
    csrf_token: Mapped[str] = mapped_column(String(64))
    user_id: Mapped[int] = mapped_column(Id, ForeignKey("users.id"), index=True)
    team_id: Mapped[int] = mapped_column(Id, ForeignKey("teams.id"))
    """The team it shows now."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class LoginAttempt(Base):
    """A login that was tried, by what is counted: a name, or an address."""

    __tablename__ = "login_attempts"
    __table_args__ = (Index("ix_login_attempts_counted_at", "counted", "at"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    counted: Mapped[str] = mapped_column(String(64))
    """The SHA-256 of the name or address, so that mistyped passwords in the name's field are not kept."""
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class ApiToken(Owned, Base):
    """What a program acts with, for one user in one team."""

    __tablename__ = "api_tokens"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    user_id: Mapped[int] = mapped_column(Id, ForeignKey("users.id"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    scope: Mapped[str] = mapped_column(String(10))
    """read, write or admin; never more than the user's role."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Invitation(Owned, Base):
    """A link by which one person joins a team, once."""

    __tablename__ = "invitations"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    role: Mapped[str] = mapped_column(String(10))
    note: Mapped[str] = mapped_column(String(200))
    """For whom it is meant."""
    created_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    used_by: Mapped[str | None] = mapped_column(String(200))


class ShareLink(Owned, Base):
    """A link by which anybody reads one study's report until it expires or is revoked."""

    __tablename__ = "share_links"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    study_id: Mapped[int] = mapped_column(Id, ForeignKey("studies.id", ondelete="CASCADE"), index=True)
    token_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    note: Mapped[str] = mapped_column(String(200))
    created_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Publication(Owned, Base):
    """A study's report as it was when somebody published it, for everybody to read."""

    __tablename__ = "publications"

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    study_id: Mapped[int] = mapped_column(Id, ForeignKey("studies.id", ondelete="CASCADE"), index=True)
    slug: Mapped[str] = mapped_column(String(64), unique=True)
    html: Mapped[str] = mapped_column(Text)
    results_sha256: Mapped[str] = mapped_column(String(64))
    published_by: Mapped[str] = mapped_column(String(200))
    published_at: Mapped[datetime] = mapped_column(UtcDateTime)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class TeamSecret(Owned, Base):
    """A secret of a team, encrypted with the installation's key: its token of the model hub."""

    __tablename__ = "team_secrets"
    __table_args__ = (UniqueConstraint("team_id", "kind"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    ciphertext: Mapped[bytes] = mapped_column(LargeBinary)
    created_by: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class AuditEntry(Base):
    """Who did what. Rows are only ever added; retention alone takes old ones away."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index("ix_audit_entries_team_id_id", "team_id", "id"),)

    id: Mapped[int] = mapped_column(Id, primary_key=True)
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    team_id: Mapped[int | None] = mapped_column(Id, ForeignKey("teams.id"))
    """NULL: the installation itself, such as a login that failed."""
    user: Mapped[str | None] = mapped_column(String(200))
    """NULL: nobody that is known."""
    means: Mapped[str] = mapped_column(String(20))
    """How they came: session, token 7, key, local, command."""
    action: Mapped[str] = mapped_column(String(100))
    target: Mapped[str] = mapped_column(String(200))
    detail: Mapped[dict[str, Any]] = mapped_column(JSON)
