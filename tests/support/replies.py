"""What the server on loopback answers: a function of the request, its attempt and the behaviour that was asked for."""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import dataclass, field
from typing import Any

MODEL, CREATED = "test-model", 1_700_000_000
CHAT, MESSAGES, MODELS = "/v1/chat/completions", "/v1/messages", "/v1/models"
WORDS = [f"{a}{b}" for a in ("mar", "son", "vel", "ter", "lin", "cor", "pan", "dra") for b in "aeiouy"]
OPENAI_CODES = {401: "invalid_api_key", 404: "model_not_found", 429: "rate_limit_exceeded"}
ANTHROPIC_TYPES = {
    401: "authentication_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
}
ASKED = re.compile(r"(?:reply|answer) with one \w+(?: from (\d+) to (\d+)|:\s*(.+?))\.?\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What the server does. Answers of 4xx come at once, all others and resets after the latency."""

    reply_tokens: int = 24
    latency: float = 0.0
    latency_range: list[float] | None = (
        None  # [lo, hi]: drawn by the last message alone, so that two clients meet the same delays
    )
    seed: int = 0  # of the fault shares; each share is of the attempts
    share_429: float = 0.0
    share_500: float = 0.0
    share_reset: float = 0.0  # the connection is reset and nothing is answered
    share_hang: float = 0.0  # answered after ``hang_s``
    share_truncated: float = 0.0  # 200, a consistent Content-Length, and half of the JSON
    share_wrong_shape: float = 0.0  # 200 and valid JSON that is no completion
    retry_after: float | None = None  # the header of a ``share_429``; None sends none
    hang_s: float = 3600.0
    rate_limit: float | None = None  # answers in any one second; beyond it 429, which does not count
    poison: list[str] = field(default_factory=list)  # 400 where the last user message contains one of these
    context_error: list[str] = field(default_factory=list)  # 400 context_length_exceeded
    empty: list[str] = field(default_factory=list)  # 200 and no content
    refuse_auth: bool = False
    require_key: str | None = None
    unknown_model: str | None = None
    no_logprobs: bool = False
    no_schema: bool = False  # 400 where a reply of a JSON schema is asked for
    no_batches: bool = False  # 404 at every path of the batch APIs, as of a server that has none
    batch_delay: float = 0.0  # seconds until a batch has ended
    batch_limit: int | None = (
        None  # a batch of more requests is refused, as one over OpenAI's limit of queued tokens is
    )
    batch_poison: str | None = None  # a batch is refused as it is sent where one of its requests contains this
    batch_expired: float = 0.0  # share of the requests of a batch that expire, and
    batch_500: float = 0.0  # that meet an error of the server, the first time that they are in one
    log: bool = True  # False keeps the counters only

    def __post_init__(self) -> None:
        if sum(self.shares().values()) > 1 + 1e-9:
            raise ValueError("the fault shares add up to more than 1")

    def shares(self) -> dict[str, float]:
        shares = {"429": self.share_429, "500": self.share_500, "reset": self.share_reset}
        shares |= {"hang": self.share_hang, "truncated": self.share_truncated}
        return {**shares, "wrong_shape": self.share_wrong_shape}


@dataclass(frozen=True, slots=True)
class Call:
    """One request for a completion, as read from the body."""

    path: str
    body: dict[str, Any]
    messages: list[dict[str, Any]]
    prompt: str
    digest: str


@dataclass(frozen=True, slots=True)
class Answer:
    status: int  # 0: reset the connection
    body: bytes = b""
    delay: float = 0.0
    retry_after: float | None = None
    fault: str | None = None


def unit(*parts: str) -> float:
    """A number in [0, 1) that depends on the parts alone."""
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:8]) / 2**64


def text_of(content: Any) -> str:
    """The text of a message's content, which is a string or a list of blocks."""
    if isinstance(content, list):
        return "\n".join(str(block.get("text", "")) for block in content)
    return content if isinstance(content, str) else ""


def read_call(path: str, raw: bytes) -> Call:
    """Raises ValueError where the body is no request for a completion."""
    body = json.loads(raw)
    if not isinstance(body, dict) or not isinstance(body.get("messages"), list) or not body["messages"]:
        raise ValueError("messages is missing")
    if body.get("stream"):
        raise ValueError("this server does not stream")
    messages = body["messages"]
    if "system" in body:
        messages = [{"role": "system", "content": body["system"]}, *messages]
    prompt = next((text_of(m["content"]) for m in reversed(messages) if m["role"] == "user"), "")
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    digest = hashlib.sha256(f"{path}\n{canonical}".encode()).hexdigest()[:32]
    return Call(path, body, messages, prompt, digest)


def error_body(path: str, status: int, message: str, code: str | None = None) -> bytes:
    error: dict[str, Any] = {"type": ANTHROPIC_TYPES.get(status, "invalid_request_error"), "message": message}
    if path == MESSAGES:
        return json.dumps({"type": "error", "error": error}).encode()
    error["type"] = "server_error" if status >= 500 else "invalid_request_error"
    return json.dumps({"error": {**error, "param": None, "code": code or OPENAI_CODES.get(status)}}).encode()


def options_asked(prompt: str) -> list[str]:
    """What the last line offers: ``reply with one letter: A or B``, ``reply with one number from 1 to 9``"""
    found = ASKED.search(prompt.rstrip().rpartition("\n")[2])
    if found is None:
        return []
    if found[1]:
        return [str(number) for number in range(int(found[1]), int(found[2]) + 1)]
    return re.split(r",\s*(?:or\s+)?|\s+or\s+", found[3])


def schema_asked(body: dict[str, Any]) -> Any:
    """The JSON schema that the reply has to follow, None where any text will do."""
    openai = body.get("response_format", {}).get("json_schema", {}).get("schema")
    return openai or body.get("output_config", {}).get("format", {}).get("schema")


def conforming(schema: Any, key: str) -> Any:
    """A value that follows a schema, as far as the toolkit's own schemas go."""
    if "enum" in schema:
        return schema["enum"][int(unit(key) * len(schema["enum"]))]
    if schema["type"] == "object":
        return {name: conforming(inner, f"{key}/{name}") for name, inner in schema["properties"].items()}
    return "because" if schema["type"] == "string" else int(10 * unit(key))


def compose(behaviour: Behaviour, call: Call) -> tuple[list[str], dict[str, float]]:
    """The reply's tokens, a function of messages, temperature, seed and model, and the probabilities of the
    first, likeliest first, a function of messages and model. A little falls on a word that is no option."""
    body = call.body
    asked = json.dumps([body.get("model"), call.messages], sort_keys=True)
    key = hashlib.sha256(asked.encode()).hexdigest()
    drawn = f"{key}/{body.get('temperature')}/{body.get('seed')}"
    if (schema := schema_asked(body)) is not None:
        text = json.dumps(conforming(schema, drawn))
        return text.split(" "), {text: 1.0}
    if not (options := options_asked(call.prompt)):
        noise = hashlib.shake_256(drawn.encode()).digest(max(1, behaviour.reply_tokens))
        first, *others = [WORDS[byte % len(WORDS)] for byte in noise]
        return [first.capitalize(), *others], {first.capitalize(): 0.9, "The": 0.1}
    weights = {option: math.exp(4 * unit(key, option)) for option in options}
    total = sum(weights.values())
    ranked = sorted(options, key=weights.__getitem__, reverse=True)
    left = 0.0 if body.get("temperature") == 0 else total * unit(drawn)
    choice = ranked[0]
    for choice in ranked:
        left -= weights[choice]
        if left < 0:
            break
    return [choice], {**{option: 0.98 * weights[option] / total for option in ranked}, "The": 0.02}


def completion(behaviour: Behaviour, call: Call) -> bytes:
    """The body of a 200. A word counts as a token, and all messages before the last one as cached."""
    words, first = compose(behaviour, call)
    if any(mark in call.prompt for mark in behaviour.empty):
        words = []
    most = call.body.get("max_completion_tokens") or call.body.get("max_tokens") or len(words)
    cut, text = len(words) > most, " ".join(words[:most])
    counts = [len(text_of(message["content"]).split()) for message in call.messages]
    cached, prompted, replied = sum(counts[:-1]), sum(counts), min(len(words), most)
    reply: dict[str, Any] = {"id": f"reply-{call.digest[:24]}", "model": call.body.get("model")}
    if call.path == MESSAGES:
        reply |= {"type": "message", "role": "assistant", "stop_sequence": None}
        reply["content"] = [{"type": "text", "text": text}] if text else []
        reply["stop_reason"] = "max_tokens" if cut else "end_turn"
        usage = {"input_tokens": prompted - cached, "output_tokens": replied}
        reply["usage"] = {**usage, "cache_read_input_tokens": cached, "cache_creation_input_tokens": 0}
        return json.dumps(reply).encode()
    logprobs = None
    if call.body.get("logprobs") and words and not behaviour.no_logprobs:
        tokens = {t: {"token": t, "logprob": math.log(p), "bytes": [*t.encode()]} for t, p in first.items()}
        top = list(tokens.values())[: call.body.get("top_logprobs") or 0]
        logprobs = {"content": [{**tokens[words[0]], "top_logprobs": top}]}
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "logprobs": logprobs}
    reply["choices"] = [{**choice, "finish_reason": "length" if cut else "stop"}]
    reply |= {"object": "chat.completion", "created": CREATED}
    usage = {"prompt_tokens": prompted, "completion_tokens": replied, "total_tokens": prompted + replied}
    reply["usage"] = {**usage, "prompt_tokens_details": {"cached_tokens": cached}}
    return json.dumps(reply).encode()


def refusal(behaviour: Behaviour, call: Call) -> Answer | None:
    """An answer of 4xx that this request always gets."""
    model = call.body.get("model")
    if model is not None and model == behaviour.unknown_model:
        return Answer(404, error_body(call.path, 404, f"The model `{model}` does not exist"))
    if behaviour.no_schema and schema_asked(call.body) is not None:
        return Answer(400, error_body(call.path, 400, "this model cannot be held to a schema"))
    if any(mark in call.prompt for mark in behaviour.poison):
        return Answer(400, error_body(call.path, 400, "The request was rejected", "invalid_prompt"))
    if any(mark in call.prompt for mark in behaviour.context_error):
        message = "prompt is too long: this model's maximum context length is 4096 tokens"
        return Answer(400, error_body(call.path, 400, message, "context_length_exceeded"))
    return None


def fault_of(behaviour: Behaviour, digest: str, attempt: int) -> str | None:
    draw = unit(str(behaviour.seed), digest, str(attempt))
    for fault, share in behaviour.shares().items():
        draw -= share
        if draw < 0:
            return fault
    return None


def answer(behaviour: Behaviour, call: Call, attempt: int) -> Answer:
    """The answer to a request that was not refused, with the fault that falls on this attempt."""
    lo, hi = behaviour.latency_range or (behaviour.latency, behaviour.latency)
    delay = lo + (hi - lo) * unit("latency", call.prompt)
    fault = fault_of(behaviour, call.digest, attempt)
    if fault == "429":
        return Answer(429, error_body(call.path, 429, "Too many requests"), 0, behaviour.retry_after, fault)
    if fault == "500":
        return Answer(500, error_body(call.path, 500, "The server had an error"), delay, fault=fault)
    if fault == "reset":
        return Answer(0, b"", delay, fault=fault)
    body = completion(behaviour, call)
    if fault == "hang":
        delay = behaviour.hang_s
    elif fault == "truncated":
        body = body[: len(body) // 2]
    elif fault == "wrong_shape":
        body = b'{"ok": true}' if attempt % 2 else b'{"choices": [], "content": null}'
    return Answer(200, body, delay, fault=fault)
