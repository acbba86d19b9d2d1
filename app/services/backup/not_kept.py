"""What a backup leaves out of the database: whoever logged out since must not be logged in by a restored one."""

NOT_KEPT = frozenset({"sessions", "login_attempts"})
