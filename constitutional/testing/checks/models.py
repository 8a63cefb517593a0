"""Checks of providers and of constitutions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from constitutional.config.constitution import load_constitution
from constitutional.core.messages import ChatReply, ChatRequest, Choice, Sampling
from constitutional.core.records import Message
from constitutional.errors import ConstitutionalError, ModelError
from constitutional.models.base import ChatModel, NoLogprobs
from constitutional.pipeline.constitution import provided
from constitutional.principles.lint import FAILING, lint
from constitutional.testing.checks.asking import run
from constitutional.testing.material import DIALOGUES, HOSTILE
from constitutional.testing.subject import Fault, Subject
from constitutional.testing.workshop import Workshop

OPTIONS = ("yes", "no", "A", "B")
SUMS = 1e-6


def has_an_identity(subject: Subject) -> None:
    """``id`` is provider:model; ``identity`` is JSON, the same each time, and holds neither address nor key."""
    one, other = (Workshop(subject).make() for _ in range(2))
    if not str(one.id).startswith(f"{subject.name}:"):
        raise Fault(f"id is {one.id!r}, and does not begin with {subject.name + ':'!r}")
    try:
        text = json.dumps(dict(one.identity), sort_keys=True)
    except TypeError as error:
        raise Fault(f"identity is no JSON value: {error}") from error
    if text != json.dumps(dict(other.identity), sort_keys=True):
        raise Fault("identity is another each time: every reply would be paid for again")
    if subject.base_url and subject.base_url in text:
        raise Fault("identity holds the address of the server: moving it would repeat every call")


def chats(subject: Subject) -> None:
    """Text for every dialogue, several samples of one request among them; several calls at once; closing twice is fine."""
    requests = [ChatRequest(item.messages, Sampling(temperature=0.0, max_tokens=16)) for item in DIALOGUES]
    requests += [ChatRequest(DIALOGUES[0].messages, Sampling(temperature=1.0, max_tokens=16), n) for n in range(3)]

    async def ask(model: ChatModel) -> list[ChatReply]:
        return list(await asyncio.gather(*(model.chat(request) for request in requests)))

    for reply in _used(subject, ask):
        if not isinstance(reply, ChatReply):
            raise Fault(f"chat returns {type(reply).__name__}, not ChatReply")
        if not isinstance(reply.text, str) or not isinstance(reply.finish, str) or not reply.finish:
            raise Fault(f"text and finish are texts, not {reply.text!r} and {reply.finish!r}")


def chooses(subject: Subject) -> None:
    """A probability for each option, in the order asked, summing to one; () where the reply cannot be read; or
    ``NoLogprobs`` where it has none to give."""

    async def ask(model: ChatModel) -> Choice | None:
        try:
            return await model.choose(ChatRequest(DIALOGUES[0].messages, Sampling(temperature=0.0)), OPTIONS)
        except NoLogprobs:
            return None

    choice = _used(subject, ask)
    if choice is None:
        return
    if not isinstance(choice, Choice):
        raise Fault(f"choose returns {type(choice).__name__}, not Choice")
    found = choice.probabilities
    if found and (len(found) != len(OPTIONS) or abs(sum(found) - 1) > SUMS or min(found) < 0):
        raise Fault(f"{len(OPTIONS)} probabilities that sum to one, or () where none can be read, not {found}")
    if choice.mass is not None and not 0 <= choice.mass <= 1 + SUMS:
        raise Fault(f"mass is {choice.mass}, not a probability")


def takes_any_message(subject: Subject) -> None:
    """Whatever stands in a message, it answers or says, as a ``ModelError``, that it cannot."""

    async def ask(model: ChatModel) -> None:
        for text in HOSTILE:
            try:
                await model.chat(ChatRequest((Message("user", text),), Sampling(temperature=0.0, max_tokens=16)))
            except ModelError:
                continue
            except Exception as error:
                shown = repr(text) if len(text) < 40 else f"{len(text):,} characters"
                raise Fault(f"{shown}: raises {type(error).__name__}: {error}; raise a ModelError") from error

    _used(subject, ask)


def loads(subject: Subject) -> None:
    """The path of a YAML file that loads, with all that it extends."""
    path = _path(subject)
    try:
        load_constitution(path, provided(subject.host))
    except ConstitutionalError as error:
        raise Fault(str(error)) from error


def is_well_written(subject: Subject) -> None:
    """``principles lint`` finds no error and no warning in it."""
    found = [item for item in lint(_path(subject), provided(subject.host)) if item.severity in FAILING]
    if found:
        raise Fault(f"{found[0].rule}: {found[0].message} (and {len(found) - 1} more: constitutional principles lint)")


def _path(subject: Subject) -> Path:
    try:
        path = Path(subject.registered.factory())
    except Exception as error:
        raise Fault(f"the factory raises {type(error).__name__}: {error}") from error
    if not path.is_file():
        raise Fault(f"the factory returns {path}, which is no file")
    return path


def _used(subject: Subject, work: Callable[[ChatModel], Awaitable[Any]]) -> Any:
    async def use() -> Any:
        model: ChatModel = Workshop(subject).make()
        try:
            return await work(model)
        finally:
            await model.aclose()
            await model.aclose()

    try:
        return run(use())
    except ModelError as error:
        raise Fault(f"{type(error).__name__}: {error}") from error
