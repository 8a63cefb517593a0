"""The linter: finds principles that load and yet are badly written. No model is asked.

Rules stand by what they look at: ``wording`` (one principle's words), ``agreement`` (wordings beside each other),
``examples`` and ``structure``. ``english`` and ``chinese`` hold as much grammar as they need.
"""

from __future__ import annotations

from pathlib import Path

from constitutional.config.constitution import Provided, load_constitution
from constitutional.config.source import Source
from constitutional.principles.lint import agreement, examples, structure, wording
from constitutional.principles.lint.rule import FAILING, Draft, Finding, Hit, Rule

RULES: dict[str, Rule] = {rule.id: rule for part in (wording, agreement, examples, structure) for rule in part.RULES}

__all__ = ["FAILING", "RULES", "Finding", "Rule", "lint"]


def lint(path: Path, provided: Provided | None = None) -> list[Finding]:
    """What is badly written in this very file, in its order, without what it silences. It has to load."""
    whole = load_constitution(path, provided)
    draft = Draft.of(Source.read(path), whole)
    silent = {(name, subject.loc) for subject in draft.subjects for name in subject.item.lint_ignore}
    found = [
        _finding(draft, rule, hit)
        for rule in RULES.values()
        for hit in rule.check(draft)
        if rule.id not in whole.lint_ignore and (rule.id, hit.loc[:4]) not in silent
    ]
    return sorted(found, key=lambda finding: (finding.line, finding.column, finding.rule))


def _finding(draft: Draft, rule: Rule, hit: Hit) -> Finding:
    line, column = draft.source.place(hit.loc)
    of = next((subject.item.id for subject in draft.subjects if subject.loc == hit.loc[:4]), None)
    message = f"{of}: {hit.message}" if of else hit.message
    return Finding(rule.id, rule.severity, draft.source.path, line, column, of, message, hit.suggestion)
