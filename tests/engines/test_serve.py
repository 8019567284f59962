"""`vllm serve` of the same build and model gives the same completions as the in-process engine."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sca_hf.engines import Completion, Engine, RowFailure, Sampling
from sca_hf.engines.chosen import chosen_engine
from sca_hf.engines.openai import openai_identity
from sca_hf.engines.vllm import VllmEngine
from sca_hf.errors import EngineUnavailable
from sca_hf.recipe import EngineSettings

pytestmark = pytest.mark.timeout(600)

OPTIONS = ("--dtype", "bfloat16", "--max-model-len", "1024", "--max-num-seqs", "64", "--enforce-eager")
# As the in-process engine on CPUs: a seeded request that is prefilled in two steps kills vLLM there.
ON_CPU = ("--no-enable-chunked-prefill", "--max-num-batched-tokens", "4096", "--kv-cache-memory-bytes", str(1 << 30))


@pytest.fixture(scope="module")
def served(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a `vllm serve` of the bundled model, under the name "toy"."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # What `vllm serve` runs; the command itself asks for the metadata of "vllm", which the CPU build doesn't have.
    server = "vllm.entrypoints.openai.api_server"
    command = [sys.executable, "-m", server, "--model", str(model_folder), "--port", str(port)]
    log = tmp_path_factory.mktemp("serve") / "log"
    environment = os.environ | {"VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with log.open("wb") as output:
        running = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--served-model-name", "toy", *OPTIONS, *ON_CPU],
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
    url = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + 400
    try:
        while True:
            assert running.poll() is None, log.read_text(errors="replace")[-3000:]
            assert time.monotonic() < deadline, log.read_text(errors="replace")[-3000:]
            try:
                openai_identity("toy", [url], 0.1)
                break
            except EngineUnavailable:
                time.sleep(1)
        yield url
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


def test_the_same_completions_as_in_the_process(served: str, engine: VllmEngine) -> None:
    settings = EngineSettings(kind="openai", urls=(served,), max_model_len=1024)
    remote = chosen_engine("toy", settings)
    assert remote.identity.build.startswith("vllm serve 0.")
    prompts = [f"### Example 1\n[Instruction]\nKeep the words number {n}.\n\n[Response]\n" for n in range(24)]
    assert completions(remote, prompts) == completions(engine, prompts)
    with pytest.raises(RowFailure, match="prompt-too-long"):
        asyncio.run(remote.complete("word " * 3000, Sampling(0.7, 8, (), 1)))
    remote.close()


def completions(engine: Engine, prompts: list[str]) -> list[Completion]:
    async def together() -> list[Completion]:
        calls = (
            engine.complete(prompt, Sampling(temperature=0.7, max_tokens=48, stop=("###", "\n\n"), seed=seed))
            for seed, prompt in enumerate(prompts)
        )
        return await asyncio.gather(*calls)

    return asyncio.run(together())
