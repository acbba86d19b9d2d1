"""Parts of the pages about people: the account, the team, and who may use the installation."""
