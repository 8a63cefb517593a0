"""How text meets tokens: dialogues in, answers out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError as JinjaError

from constitutional.core.records import Reason
from constitutional.errors import ModelUnavailableError, RequestRefusedError
from constitutional.models.base import split_reasoning

if TYPE_CHECKING:
    from constitutional.core.records import Messages
    from constitutional.models.local.checkpoint import LocalModel

DEFAULT_MAX_TOKENS = 2048
"""The longest answer where a request sets no limit and the context has room."""


@dataclass(frozen=True, slots=True)
class Renderer:
    """Turns dialogues into tokens and tokens into answers. Blocking, and used from one thread at a time."""

    model: LocalModel
    tokenizer: Any
    context: int
    """How many tokens a prompt and its answer may have together."""

    def encode(self, text: str) -> list[int]:
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return ids

    def decode(self, ids: list[int]) -> str:
        text: str = self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        return text

    def render(self, messages: Messages) -> list[int]:
        """A dialogue that ends with the assistant's words is continued; any other gets a new turn."""
        if self.model.template is None and self.tokenizer.chat_template is None:
            raise ModelUnavailableError(
                f"{self.model.id}: its tokenizer has no chat template (a base model?): "
                "use the instruction-tuned model, or give one with the option chat_template: FILE.jinja"
            )
        unfinished = bool(messages) and messages[-1].role == "assistant"
        try:
            ids: list[int] = self.tokenizer.apply_chat_template(
                [message._asdict() for message in messages],
                chat_template=self.model.template,
                add_generation_prompt=not unfinished,
                continue_final_message=unfinished,
                tokenize=True,
                return_dict=False,
                **self.model.variables,
            )
        except (JinjaError, ValueError) as error:
            problem = f"{self.model.id}: the chat template refuses this dialogue: {error}"
            raise RequestRefusedError(problem, "chat_template") from error
        return ids

    def room(self, prompt: int, max_tokens: int | None = None) -> int:
        """How many tokens the answer to a prompt of this length may have."""
        left = self.context - prompt
        if left < 1:
            problem = f"{self.model.id}: no room for an answer: the prompt has {prompt} tokens of {self.context}"
            raise RequestRefusedError(problem, Reason.CONTEXT_TOO_LONG)
        return min(left, DEFAULT_MAX_TOKENS if max_tokens is None else max_tokens)

    def answer(self, prompt: list[int], text: str) -> tuple[str, str | None]:
        """The answer and the reasoning before it, also where the template itself opened its block."""
        opened = "</think>" in text and self.tokenizer.decode(prompt[-16:]).rstrip().endswith("<think>")
        return split_reasoning(f"<think>{text}" if opened else text)


def end_tokens(*sources: int | list[int] | None) -> frozenset[int]:
    """The tokens that end a reply, as the tokenizer and the generation config name them."""
    found: set[int] = set()
    for source in sources:
        found.update(source if isinstance(source, list) else [] if source is None else [source])
    return frozenset(found)
