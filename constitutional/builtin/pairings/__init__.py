"""Which responses of a prompt are compared: one file per idea, and ``docs/strategies.md`` says which is for what."""
