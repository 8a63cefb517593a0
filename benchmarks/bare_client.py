"""The floor: nothing but the official OpenAI SDK over its aiohttp transport, a semaphore, and the prompts."""

from __future__ import annotations

import asyncio
import json
import sys

import httpx
import openai


async def main(url: str, texts: list[str], in_flight: int, retries: int) -> None:
    # The SDK's own pool has 1,000 places.
    pool = openai.DefaultAioHttpClient(
        limits=httpx.Limits(max_connections=in_flight, max_keepalive_connections=in_flight)
    )
    client = openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=retries, http_client=pool)
    places = asyncio.Semaphore(in_flight)

    async def ask(prompt: str) -> str:
        async with places:
            reply = await client.chat.completions.create(
                model="test-model", messages=[{"role": "user", "content": prompt}], temperature=1.0, max_tokens=1024
            )
        return reply.choices[0].message.content or ""

    async with client:
        answers = await asyncio.gather(*(ask(text) for text in texts))
    print(len(answers))


if __name__ == "__main__":
    with open(sys.argv[2], encoding="utf-8") as file:
        prompts = [json.loads(line)["prompt"] for line in file]
    asyncio.run(main(sys.argv[1], prompts, int(sys.argv[3]), int(sys.argv[4])))
