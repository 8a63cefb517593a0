"""Any judge behind an HTTP endpoint: a classifier, a service of your own, a model on another machine.

What it shows: paid work that is recorded (`setup.remember`), questions that wait together sent as one request, retries, and
an endpoint's bad reply as an abstention. Nothing but the standard library is needed."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from constitutional import Judgement, Principle, Prompt, Reading, Register, Response, Setup, both_orders, hookimpl
from constitutional_http_judge.endpoint import Endpoint

plugin_api = (1, 0)


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: str = Field(
        pattern=r"^https?://", description="Where the questions are posted.", examples=["http://localhost:8000/judge"]
    )
    judge: str | None = Field(
        default=None,
        description="What the verdicts depend on, such as the judge's name and version: change it, and everything is asked "
        "again. Default: `url`.",
    )
    api_key_env: str | None = Field(default=None, description="Environment variable that holds a bearer token.")
    max_batch: int = Field(default=16, ge=1, description="Most questions in one request.")
    concurrency: int = Field(default=8, ge=1, description="Most requests in flight.")
    tries: int = Field(default=5, ge=1, description="How often a request is sent that gets no answer, a 429 or a 5xx.")
    backoff: float = Field(default=0.5, ge=0, description="Seconds before the second try; they double each time.")
    timeout: float = Field(default=60.0, gt=0, description="Seconds until a request counts as failed.")


class HTTPJudge:
    """Both orders are asked for: the endpoint may well be biased by which answer it reads first."""

    def __init__(self, setup: Setup) -> None:
        options: Options = setup.options
        self._known_as = options.judge or options.url
        self._remember = setup.remember
        self._endpoint = Endpoint(
            options.url,
            options.api_key_env,
            max_batch=options.max_batch,
            concurrency=options.concurrency,
            tries=options.tries,
            backoff=options.backoff,
            timeout=options.timeout,
        )

    async def judge(self, prompt: Prompt, a: Response, b: Response, principle: Principle) -> Judgement:
        async def read(first: Response, second: Response) -> Reading:
            question = {
                "messages": [{"role": role, "content": text} for role, text in prompt.messages],
                "a": first.text,
                "b": second.text,
                "principle": {"id": principle.id, "statement": principle.statement},
            }

            async def work() -> Any:
                return await self._endpoint.ask(question)

            verdict = await self._remember([self._known_as, question], work, complete=True)
            return _reading(verdict)

        return await both_orders(read, a, b, principle.id)


def _reading(verdict: Any) -> Reading:
    """``{"p": 0.8, "note": "…"}``: P(a is better). Whatever is no probability is no verdict."""
    if not isinstance(verdict, dict):
        return Reading(None, "http", note="unreadable verdict")
    p, note = verdict.get("p"), str(verdict.get("note") or "")
    if isinstance(p, bool) or not isinstance(p, int | float) or not 0 <= p <= 1:
        return Reading(None, "http", note=note or "unreadable verdict")
    return Reading(float(p), "http", note=note)


@hookimpl
def register_judges(register: Register) -> None:
    register("http", HTTPJudge, config=Options)
