"""What an author does with a constitution file before any model sees it: list, show, check the wording, start, import."""
