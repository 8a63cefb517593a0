"""What to do about a file that is no YAML, for people who do not write YAML: the parser says what it expected, and an author
of principles needs to know which of their own words is in the way."""

from __future__ import annotations

import re

import yaml

LINE_END = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
NO_SPACE = re.compile(r"\s*(?:- +)?([A-Za-z_][\w-]*):(?![\s/]|$)(.*)")
KEY = re.compile(r"\s*(?:- +)*[\w-]+\s*$")
QUOTED = "has to stand in quotes, or under `>`"
COLON = "put a text with a colon in it in quotes, or under `>`"


def advice(error: yaml.MarkedYAMLError, text: str) -> str:
    """One sentence, or nothing where nothing can be told."""
    problem, context = str(error.problem), str(error.context)
    mark = error.problem_mark
    lines = LINE_END.split(text)
    line, column = (lines[mark.line], mark.column) if mark and mark.line < len(lines) else ("", 0)
    if problem == "mapping values are not allowed here":
        return _colon(lines[: mark.line] if mark else [], line, column)
    if "cannot start any token" in problem:
        found = line[column : column + 1]
        return "indent with spaces" if found == "\t" else f"a text that begins with {found} {QUOTED}"
    if "undefined alias" in problem or "an alias" in context or "an anchor" in context:
        return f"a text that begins with * or & {QUOTED}"
    if problem.startswith("could not determine a constructor for the tag '!"):
        return f"a text that begins with ! {QUOTED}"
    if problem.startswith(("expected chomping or indentation indicators", "expected a comment or a line break")):
        return "a text under `>` begins on the next line"
    if problem == "could not find expected ':'":
        return "a key ends with a colon, and text that goes on is indented deeper than its key"
    if problem.startswith("expected ','") and problem.endswith("but got '?'"):
        return "inside { } a text with a question mark has to stand in quotes"
    if problem.startswith("expected <block end>"):
        return _not_the_end(problem, line)
    return ""


def _colon(above: list[str], line: str, column: int) -> str:
    """A colon where none can be: mostly the fault of something before it."""
    before = next((text for text in reversed(above) if text.strip()), "")
    for place in (before, line):
        found = NO_SPACE.match(place)
        if found:
            return f"write a space behind the colon: `{found[1]}: {found[2].strip()}`"
    if "\u00a0" in before + line[:column]:
        return "there is a no-break space before it, from a word processor: indent with plain spaces"
    if KEY.fullmatch(line[:column]):
        return "this line is indented deeper than the keys that it stands with, or the text above it is not in quotes"
    return COLON


def _not_the_end(problem: str, line: str) -> str:
    if "<scalar>" in problem and re.search("[\"']", line):
        return "the text goes on behind a quotation mark: put all of it under `>`"
    return "this line is not indented as those that it stands with"
