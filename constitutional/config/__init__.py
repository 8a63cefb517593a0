"""Where YAML enters: pydantic at the edge, and every error with its file, line and key."""
