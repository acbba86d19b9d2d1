"""Who may do what: users, their sessions and tokens, and what they are in their teams."""
