"""What the options of filters have in common, and a regular expression among any options."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict

from constitutional.core.records import Pair, Response

Side = Literal["chosen", "either"]


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]


class FilterOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")


def sides(pair: Pair, which: Side) -> tuple[Response, ...]:
    return (pair.chosen,) if which == "chosen" else (pair.chosen, pair.rejected)
