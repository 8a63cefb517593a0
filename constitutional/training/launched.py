"""One process of a launched training: ``python -m constitutional.training.launched SETTINGS.json``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from constitutional.errors import ConstitutionalError
from constitutional.saying import say, silent
from constitutional.training.processes import is_first
from constitutional.training.run import train
from constitutional.training.settings import from_json


def main() -> int:
    settings = from_json(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    try:
        train(settings, say if is_first() else silent)
    except ConstitutionalError as error:
        if is_first():
            say(f"error: {error}")
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
