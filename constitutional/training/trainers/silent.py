"""What every trainer of TRL does behind one's back and ours does not."""

from __future__ import annotations

from typing import Any


class Silent:
    """Stands before a TRL trainer among a class's bases."""

    def create_model_card(self, *_: Any, **__: Any) -> None:
        """The card is ours, and written once at the end."""

    def _send_telemetry(self) -> None:
        """Nobody is told."""
