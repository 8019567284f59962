"""A server for benchmarks: it answers at once, and says what a prefix cache would have served.

python scripts/machines/servers.py PORT
"""

import sys

from aiohttp import web

from sca_hf.engines.routing import shared_part

MODEL = "org/instant"
TEXT = "def double(x):\n    return 2 * x\n" * 8


_seen: set[str] = set()
_counts = {"calls": 0, "characters": 0, "cached": 0}


async def _count(request: web.Request) -> web.Response:
    return web.json_response(_counts)


async def _models(request: web.Request) -> web.Response:
    return web.json_response({"data": [{"id": MODEL}]})


async def _version(request: web.Request) -> web.Response:
    return web.json_response({"version": "1.0"})


async def _info(request: web.Request) -> web.Response:
    return web.json_response({"model_id": MODEL, "model_sha": "0" * 40, "model_dtype": "bf16", "version": "1.0"})


async def _complete(request: web.Request) -> web.Response:
    body = await request.json()
    prompt = body.get("inputs") or body["prompt"]
    shared = shared_part(prompt)
    _counts["calls"] += 1
    _counts["characters"] += len(prompt)
    _counts["cached"] += len(shared) if shared in _seen else 0
    _seen.add(shared)
    if "inputs" in body:
        details = {"finish_reason": "eos_token", "generated_tokens": 64, "seed": 1, "prefill": [], "tokens": []}
        return web.json_response([{"generated_text": TEXT, "details": details}])
    choice = {"text": TEXT, "finish_reason": "stop", "index": 0, "logprobs": None}
    usage = {"prompt_tokens": 1500, "completion_tokens": 64, "total_tokens": 1564}
    answer = {"id": "1", "object": "text_completion", "created": 1, "model": MODEL, "choices": [choice], "usage": usage}
    return web.json_response(answer)


def main(port: int) -> None:
    """Serve until killed."""
    app = web.Application()
    app.add_routes([web.get("/v1/models", _models), web.get("/version", _version), web.get("/info", _info)])
    app.add_routes([web.post("/v1/completions", _complete), web.post("/", _complete), web.get("/counts", _count)])
    web.run_app(app, host="127.0.0.1", port=port, print=None, access_log=None)


if __name__ == "__main__":
    main(int(sys.argv[1]))
