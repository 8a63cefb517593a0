"""What panels of judges and of scorers have in common: their members, and how a member is named."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from constitutional.core.constitution import PluginUse
from constitutional.roles import Setup

Weight = Annotated[float, Field(ge=0)]


class MemberOptions(BaseModel):
    """One member; a text is short for ``{plugin: …}``."""

    model_config = ConfigDict(extra="forbid")

    plugin: str
    options: dict[str, Any] = {}
    model: str | None = None
    weight: Weight = 1.0
    name: str | None = None


AMember = Annotated[MemberOptions, BeforeValidator(lambda use: {"plugin": use} if isinstance(use, str) else use)]


class PanelOptions(BaseModel):
    model_config = ConfigDict(extra="forbid")

    members: list[AMember] = Field(
        min_length=2, description="Who sits on it: `plugin`, `options`, `model`, `weight` (1), `name`."
    )
    weights: list[Weight] | None = Field(
        default=None, description="In the members' order, as `constitutional audit` learns them; goes before `weight`."
    )

    @model_validator(mode="after")
    def _one_weight_each(self) -> PanelOptions:
        if self.weights is not None and len(self.weights) != len(self.members):
            raise ValueError(f"{len(self.weights)} weights for {len(self.members)} members")
        if not any(self.weighted()):
            raise ValueError("every member's weight is 0")
        return self

    def weighted(self) -> tuple[float, ...]:
        return tuple(self.weights or (member.weight for member in self.members))

    def names(self) -> tuple[str, ...]:
        """What each is called in a judgement: its own name, else its plugin and model, numbered where that is not enough."""
        plain = [m.name or (f"{m.plugin} {m.model}" if m.model else m.plugin) for m in self.members]
        return tuple(
            name if plain.count(name) == 1 else f"{name} {plain[: at + 1].count(name)}" for at, name in enumerate(plain)
        )

    def made(self, setup: Setup, kind: str) -> tuple[Any, ...]:
        return tuple(
            setup.part(kind, PluginUse(member.plugin, member.options, f"options.members.{at}"), member.model)
            for at, member in enumerate(self.members)
        )
