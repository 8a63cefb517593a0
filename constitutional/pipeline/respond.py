"""prompts → responses"""

from __future__ import annotations

from constitutional.core.digest import seed_for
from constitutional.core.messages import ChatRequest, Sampling
from constitutional.core.records import Message, Messages, Prompt, Response
from constitutional.models.groups import together
from constitutional.roles import Model


async def respond(prompt: Prompt, policy: Model, count: int, system: str | None, seed: int) -> list[Response]:
    """``count`` samples of the policy's answer. An empty one is returned too: the caller says why it is dropped."""
    messages = with_system(prompt.messages, system)
    return await together(_sample(prompt, policy, messages, sample, seed) for sample in range(count))


async def _sample(prompt: Prompt, policy: Model, messages: Messages, sample: int, seed: int) -> Response:
    sampling = Sampling(seed=seed_for(seed, prompt.id, f"respond:{sample}"))
    reply = await policy.chat(ChatRequest(messages, sampling, sample))
    return Response(f"{prompt.id}.{sample}", prompt.id, reply.text.strip(), policy.id, sample, reply.call, reply.finish)


def with_system(messages: Messages, system: str | None) -> Messages:
    """The run's system message, unless the dialogue brings its own."""
    if system is None or messages[0].role == "system":
        return messages
    return (Message("system", system), *messages)
