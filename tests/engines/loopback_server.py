"""A server on loopback that speaks the protocols of OpenAI and of TGI, well or as badly as a test asks."""

import json
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from sca_hf.identity import digest

MODEL = "org/toy"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def text_of(prompt: str, seed: int) -> str:
    """What the model writes: it depends on prompt and seed alone."""
    return digest(prompt, seed)[:16]


def doubles(prompt: str, seed: int) -> str:
    """What a model writes at each step of the demo recipe that gets all of them right."""
    if prompt.endswith("[Concepts]\n"):
        return "addition, functions"
    if prompt.endswith("[Instruction]\n"):
        return f"Write a function `double` that doubles number {seed}."
    if prompt.endswith("```python\n"):
        return "assert double(2) == 4\nassert double(-1) == -2\n```"
    return f"It is {seed}:\n\n```python\ndef double(x):\n    return 2 * x\n```\n\n[Tests]\n"


def ended(text: str, stop: Sequence[str], max_tokens: int) -> tuple[str, Literal["stop", "length"], str]:
    """The text up to the first stop text or of `max_tokens` words, why it ends, and the stop text."""
    found = [(text.index(each), each) for each in stop if each in text]
    begin, each = min(found, default=(len(text), ""))
    words = re.findall(r"\s*\S+", text[:begin])
    if len(words) > max_tokens:
        return "".join(words[:max_tokens]), "length", ""
    return text[:begin], "stop", each


def laid_out(messages: Sequence[dict[str, str]]) -> str:
    """What a chat template makes of a conversation."""
    return "".join(f"<|{each['role']}|>\n{each['content']}\n" for each in messages) + "<|assistant|>\n"


class Loopback:
    """`says`: what the model writes behind a prompt, with a seed, if nothing ends it. `likely`: log-probabilities of
    first tokens behind a prompt, where a request asks for some; None: it tells none.

    `faults`: what the next requests meet, one each. `poison`: what prompts with a text in them always meet.

    A fault is a status (with "retry" a 429 that says when, with "date" one that says until when), "hang", "cut",
    "garbage" (broken JSON), "utf-8" (invalid), "surrogate", "empty", "forever" (words again until max_tokens),
    "repetition" (the same, but it was detected), "long" (context exceeded), "no-template" (a conversation that it can't
    lay out) or "gone" (no such model).
    """

    def __init__(self, *, key: str | None = None, models: tuple[str, ...] = (MODEL,), port: int = 0) -> None:
        self.key = key
        self.models = models
        self.faults: deque[int | str] = deque()
        self.poison: dict[str, int | str] = {}
        self.asked: Counter[str] = Counter()
        self.bodies: list[dict[str, Any]] = []
        self.version: str | None = "1.0"  # None: a server that is not vLLM
        self.says: Callable[[str, int], str] = text_of
        self.thinks: str | None = None  # what it gives apart from the answers of a chat model
        self.likely: Callable[[str], dict[str, float] | None] = lambda prompt: None
        owner = self

        class Handler(_Handler):
            server_of_test = owner

        self._http = _Server(("127.0.0.1", port), Handler)
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self._http.server_port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._http.shutdown()
        self._http.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Connections that come at once. Of more than 5, which it is by itself, some are tried again after up to a minute.
    request_queue_size = 1024


class _Handler(BaseHTTPRequestHandler):
    server_of_test: Loopback

    def do_GET(self) -> None:
        it = self.server_of_test
        if it.key and self.headers.get("Authorization") != f"Bearer {it.key}":
            self._answer(401, {"error": {"message": f"wrong key {self.headers.get('Authorization')}"}})
        elif self.path == "/v1/models":
            self._answer(200, {"data": [{"id": model} for model in it.models]})
        elif self.path == "/version":
            self._answer(200, {"version": it.version})
        elif self.path == "/info":
            self._answer(
                200, {"model_id": it.models[0], "model_sha": COMMIT, "model_dtype": "bf16", "version": it.version}
            )
        else:
            self._answer(404, {"error": "no such page"})

    def do_POST(self) -> None:
        it = self.server_of_test
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        tgi = "inputs" in body
        chat = self.path.endswith("/chat/completions")
        prompt = body["inputs"] if tgi else laid_out(body["messages"]) if chat else body["prompt"]
        it.asked[prompt] += 1
        it.bodies.append(body)
        if it.key and self.headers.get("Authorization") != f"Bearer {it.key}":
            self._answer(401, {"error": {"message": f"wrong key {self.headers.get('Authorization')}"}})
            return
        poison = next((fault for part, fault in it.poison.items() if part in prompt), None)
        fault = poison or (it.faults.popleft() if it.faults else None)
        if fault == "retry":
            self._answer(429, {"error": "slow down", "error_type": "overloaded"}, {"Retry-After": "0.3"})
        elif fault == "date":
            self._answer(
                429,
                {"error": "slow down", "error_type": "overloaded"},
                {"Retry-After": formatdate(time.time() + 2, usegmt=True)},
            )
        elif fault == "long":
            said = "inputs must have less than 9 tokens" if tgi else "This model's maximum context length is 9 tokens"
            self._answer(422 if tgi else 400, {"error": said, "error_type": "validation"})
        elif fault == "no-template":
            said = "default chat template is no longer allowed, so you must provide a chat template"
            self._answer(400, {"error": {"message": said}})
        elif fault == "gone":
            self._answer(404, {"error": {"message": "The model does not exist"}})
        elif isinstance(fault, int):
            self._answer(fault, {"error": "broken"})
        elif fault == "hang":
            time.sleep(5)
        elif fault == "cut":
            self._send(200, b'{"choices": [{"te', {"Content-Length": "1000"})
            self.close_connection = True
        elif fault == "garbage":
            self._send(200, b'{"choices": [{"te', {})
        else:
            how = body["parameters"] if tgi else body
            seed, max_tokens = how["seed"], how["max_new_tokens" if tgi else "max_tokens"]
            forever = "and again " * max_tokens
            said, ended_by, stop = ended(it.says(prompt, seed), how.get("stop") or (), max_tokens)
            odd = {"empty": "", "surrogate": "\ud800", "utf-8": "UTF-8", "forever": forever, "repetition": forever}
            text = odd.get(str(fault), said)
            reason: str = {"forever": "length", "repetition": "repetition"}.get(str(fault), ended_by)
            answer: Any
            if tgi:
                why = "length" if reason == "length" else "stop_sequence" if stop else "eos_token"
                details = {"finish_reason": why, "generated_tokens": 4, "seed": seed, "prefill": []}
                answer = {"generated_text": text + stop, "details": details | {"tokens": [], "top_tokens": None}}
                answer = [answer]
            else:
                likely = it.likely(prompt) if body.get("logprobs") else None
                logprobs = {"top_logprobs": [likely], "tokens": [text], "token_logprobs": [0.0], "text_offset": [0]}
                choice = {"text": text, "finish_reason": reason, "index": 0, "logprobs": logprobs if likely else None}
                if chat:
                    del choice["text"]
                    choice["message"] = {"role": "assistant", "content": text, "reasoning_content": it.thinks}
                usage = {"prompt_tokens": len(prompt.split()), "completion_tokens": 4, "total_tokens": 9}
                kind = "chat.completion" if chat else "text_completion"
                answer = {"id": "1", "object": kind, "created": 1, "model": MODEL}
                answer |= {"choices": [choice], "usage": usage}
            encoded = json.dumps(answer).encode()
            self._send(200, encoded.replace(b"UTF-8", b"\xff\xfe"), {})

    def _answer(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self._send(status, json.dumps(body).encode(), headers or {})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass
