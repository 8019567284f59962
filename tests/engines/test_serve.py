"""`vllm serve` of the same build and model gives the same completions as the in-process engine, restarted or not."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sca_hf.engines import Completion, Engine, RowFailure, Sampling
from sca_hf.engines.openai import openai_identity
from sca_hf.engines.registry import make_engine
from sca_hf.engines.remote import RemoteEngine
from sca_hf.engines.repetition import RepetitionDetection
from sca_hf.engines.settings import EngineSettings
from sca_hf.engines.vllm.engine import VllmEngine
from sca_hf.errors import EngineUnavailable

pytestmark = [pytest.mark.engine, pytest.mark.timeout(600)]

KEY = "sk-of-the-server"
OPTIONS = ("--dtype", "bfloat16", "--max-model-len", "1024", "--max-num-seqs", "64", "--enforce-eager")
# As the in-process engine on CPUs: a seeded request that is prefilled in two steps kills vLLM there.
ON_CPU = ("--no-enable-chunked-prefill", "--max-num-batched-tokens", "4096", "--kv-cache-memory-bytes", str(1 << 30))
# What `vllm serve` runs; the command itself asks for the metadata of "vllm", which the CPU build doesn't have.
SERVER = "vllm.entrypoints.openai.api_server"


class Served:
    """A `vllm serve` of the bundled model, under the name "toy"."""

    def __init__(self, model_folder: Path, log: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._model_folder = model_folder
        self._log = log
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Comes back when it answers."""
        where = ["--model", str(self._model_folder), "--served-model-name", "toy", "--host", "127.0.0.1"]
        with self._log.open("wb") as output:
            self._running = subprocess.Popen(
                [sys.executable, "-m", SERVER, "--port", str(self._port), "--api-key", KEY, *where, *OPTIONS, *ON_CPU],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | {"VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
                start_new_session=True,
            )
        deadline = time.monotonic() + 400
        while True:
            assert self._running.poll() is None, self._log.read_text(errors="replace")[-3000:]
            assert time.monotonic() < deadline, self._log.read_text(errors="replace")[-3000:]
            try:
                openai_identity("toy", [self.url], 0.1)
                return
            except EngineUnavailable:
                time.sleep(1)

    def kill(self) -> None:
        if self._running is not None and self._running.poll() is None:
            os.killpg(self._running.pid, signal.SIGKILL)
            self._running.wait()


@pytest.fixture(scope="module")
def served(model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    server = Served(model_folder, tmp_path_factory.mktemp("serve") / "log")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", KEY)
        try:
            server.start()
            yield server
        finally:
            server.kill()


@pytest.fixture
def remote(served: Served) -> Iterator[RemoteEngine]:
    made = make_engine("toy", EngineSettings(kind="openai", urls=(served.url,), max_model_len=1024))
    assert isinstance(made, RemoteEngine)
    yield made
    made.close()


def test_the_same_completions_as_in_the_process(remote: RemoteEngine, engine: VllmEngine) -> None:
    assert remote.identity.build.startswith("vllm serve 0.")
    prompts = [f"### Example 1\n[Instruction]\nKeep the words number {n}.\n\n[Response]\n" for n in range(24)]
    assert completions(remote, prompts) == completions(engine, prompts)


def test_what_repeats_is_ended_where_it_is_in_the_process(remote: RemoteEngine, engine: VllmEngine) -> None:
    prompts = [f"### Example {n}\n[Concepts]\n" + "a, b, " * 40 for n in range(12)]
    detection = RepetitionDetection(max_pattern_size=16, min_pattern_size=1, min_count=3)
    ended = completions(remote, prompts, detection)
    assert "repetition" in {completion.finish_reason for completion in ended}
    assert ended == completions(engine, prompts, detection)


def test_a_prompt_that_is_too_long_costs_its_row(remote: RemoteEngine) -> None:
    with pytest.raises(RowFailure, match="prompt-too-long"):
        asyncio.run(remote.complete("word " * 3000, Sampling(0.7, 8, (), 1)))
    assert completions(remote, ["x"])


def test_what_it_does_not_serve_and_whom(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = EngineSettings(kind="openai", urls=(served.url,))
    with pytest.raises(EngineUnavailable, match=r"has no model 'other'; it has \['toy'\]"):
        make_engine("other", settings)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-wrong")
    with pytest.raises(EngineUnavailable, match="OPENAI_API_KEY is not the one that it takes") as refused:
        make_engine("toy", settings)
    assert "sk-wrong" not in str(refused.value)


def test_it_is_killed_in_the_middle_and_started_again(served: Served, remote: RemoteEngine, engine: VllmEngine) -> None:
    prompts = [f"### Example 1\n[Instruction]\nCount the ships number {n}.\n\n[Response]\n" for n in range(400)]
    done: list[list[Completion]] = []
    asking = threading.Thread(target=lambda: done.append(completions(remote, prompts)), daemon=True)
    asking.start()
    while remote.usage.calls < 20:
        time.sleep(0.01)
    served.kill()
    assert asking.is_alive()
    served.start()
    asking.join(300)
    assert done == [completions(engine, prompts)]


def completions(engine: Engine, prompts: list[str], detection: RepetitionDetection | None = None) -> list[Completion]:
    async def together() -> list[Completion]:
        plain = Sampling(0.7, max_tokens=48, stop=("###", "\n\n"), seed=0, repetition_detection=detection)
        calls = (engine.complete(prompt, replace(plain, seed=seed)) for seed, prompt in enumerate(prompts))
        return await asyncio.gather(*calls)

    return asyncio.run(together())
