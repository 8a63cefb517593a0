"""What went wrong, in the words of whoever said so first: a reason alone does not tell what to mend."""

from __future__ import annotations

from pathlib import Path

from constitutional.ledger import LedgerView

OF_PROMPTS = """
SELECT reason, min(position), prompt_id, detail FROM rejects JOIN traces USING (prompt_id)
WHERE failure AND session = ? GROUP BY reason
"""
OF_ROWS = "SELECT reason, min(position), source, detail FROM rows WHERE failure AND session = ? GROUP BY reason"


def first_failures(ledger: Path) -> dict[str, str]:
    """Reason → the first prompt or line that failed for it, and how."""
    with LedgerView(ledger) as view:
        found = [row for select in (OF_PROMPTS, OF_ROWS) for row in view.rows(select, view.session)]
    return {reason: f"{where}: {detail}" for reason, _, where, detail in found}
