"""The engine: the same text however a call is made, failures that fit their cause, and nothing of it left behind."""

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sca_hf.engines import Completion, RowFailure, Sampling, Work
from sca_hf.engines.vllm.engine import VllmEngine
from sca_hf.errors import EngineUnavailable

pytestmark = [pytest.mark.engine, pytest.mark.timeout(300)]

PROMPTS = [
    f"### Example\n[Instruction]\nWrite a function number {n}.\n\n" + "[Response]\n" * (n % 7) for n in range(64)
]


def sampling(seed: int = 3, max_tokens: int = 24, stop: tuple[str, ...] = ()) -> Sampling:
    return Sampling(temperature=0.7, max_tokens=max_tokens, stop=stop, seed=seed)


def complete(engine: VllmEngine, prompt: str, drawn: Sampling) -> Completion:
    return asyncio.run(engine.complete(prompt, drawn))


def complete_all(engine: VllmEngine, numbers: list[int]) -> dict[int, str]:
    async def together() -> dict[int, str]:
        completions = await asyncio.gather(*(engine.complete(PROMPTS[n], sampling(n)) for n in numbers))
        return {n: completion.text for n, completion in zip(numbers, completions, strict=True)}

    return asyncio.run(together())


def test_a_prompt_gets_the_same_text_alone_and_in_any_batch(engine: VllmEngine) -> None:
    numbers = list(range(len(PROMPTS)))
    alone = {n: complete(engine, PROMPTS[n], sampling(n)).text for n in numbers[::8]}
    together = complete_all(engine, numbers)
    assert complete_all(engine, numbers[::-1]) == together
    assert alone == {n: together[n] for n in numbers[::8]}
    assert len(set(together.values())) > len(PROMPTS) // 2


def test_another_seed_gives_another_text(engine: VllmEngine) -> None:
    assert len({complete(engine, PROMPTS[0], sampling(seed)).text for seed in range(8)}) > 1


def test_calls_from_several_event_loops_at_once(engine: VllmEngine) -> None:
    halves = [list(range(32)), list(range(32, 64))]
    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(lambda half: complete_all(engine, half), halves)
    assert first | second == complete_all(engine, halves[0] + halves[1])


def test_max_tokens_and_stop_texts_end_a_completion(engine: VllmEngine) -> None:
    cut = complete(engine, PROMPTS[1], sampling(max_tokens=5))
    assert (cut.finish_reason, cut.completion_tokens) == ("length", 5)
    whole = complete(engine, PROMPTS[1], sampling(max_tokens=24))
    assert whole.text.startswith(cut.text.rstrip("\ufffd"))
    stop = whole.text[3:5]
    stopped = complete(engine, PROMPTS[1], sampling(stop=(stop,)))
    assert stopped.finish_reason == "stop"
    assert stopped.text == whole.text[: whole.text.index(stop)]
    assert stopped.prompt_tokens == whole.prompt_tokens > 0


def test_a_prompt_that_leaves_no_room_is_a_failure_of_its_row(engine: VllmEngine) -> None:
    with pytest.raises(RowFailure, match="prompt-too-long"):
        complete(engine, PROMPTS[0], sampling(max_tokens=1024))
    with pytest.raises(RowFailure, match="undecodable-prompt"):
        complete(engine, "lone \ud800 surrogate", sampling())
    assert complete(engine, PROMPTS[0], sampling()).completion_tokens > 0


def test_usage_counts_tokens(engine: VllmEngine) -> None:
    before = engine.usage.calls, engine.usage.prompt_tokens, engine.usage.completion_tokens
    done = complete(engine, PROMPTS[2], sampling())
    after = engine.usage.calls, engine.usage.prompt_tokens, engine.usage.completion_tokens
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, done.prompt_tokens, done.completion_tokens]


def test_tokens_are_counted_while_they_are_written(engine: VllmEngine) -> None:
    async def watched() -> list[Work]:
        calls = [asyncio.ensure_future(engine.complete(PROMPTS[0], sampling(seed, 200))) for seed in range(4)]
        seen = []
        while not all(call.done() for call in calls):
            seen.append(engine.usage.live())
            await asyncio.sleep(0.002)
        written = [call.result().completion_tokens for call in calls]
        assert max(work.completion_tokens for work in seen) <= sum(written)
        return seen

    seen = asyncio.run(watched())
    assert len({work.completion_tokens for work in seen}) > 10, "they grow bit by bit"
    most = max(seen, key=lambda work: work.calls)
    assert most.calls == 4
    assert most.prompt_tokens == 4 * complete(engine, PROMPTS[0], sampling()).prompt_tokens
    assert engine.usage.live() == Work()
    assert engine.usage.starting_since is None
    assert engine.usage.starting_seconds > 0


def test_an_option_that_vllm_does_not_know(model_folder: Path) -> None:
    with pytest.raises(EngineUnavailable, match=r"engine\.options has 'speed'"):
        VllmEngine(str(model_folder), options={"speed": "high"})


def test_a_model_that_can_not_be_loaded_says_why(tmp_path: Path, model_folder: Path) -> None:
    for file in model_folder.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = (model_folder / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    engine = VllmEngine(str(tmp_path), max_model_len=128)
    with pytest.raises(EngineUnavailable, match="Error") as caught:
        complete(engine, "x", sampling())
    assert "\n" not in str(caught.value)
    engine.close()


def test_a_load_can_be_ended(model_folder: Path) -> None:
    before = set(multiprocessing.active_children())
    engine = VllmEngine(str(model_folder), max_model_len=128)

    with ThreadPoolExecutor(1) as thread:
        call = thread.submit(complete, engine, "x", sampling())
        while not set(multiprocessing.active_children()) - before:
            time.sleep(0.1)
        engine.close()
        with pytest.raises(EngineUnavailable, match="the engine was closed"):
            call.result()
    assert set(multiprocessing.active_children()) == before
    with pytest.raises(EngineUnavailable, match="the engine was closed"):
        complete(engine, "x", sampling())


# Scripts have no `if __name__ == "__main__"`, on purpose.
SCRIPT = """
import asyncio, multiprocessing, sys
from sca_hf.engines import RowFailure, Sampling
from sca_hf.engines.vllm.engine import VllmEngine
from sca_hf.errors import EngineUnavailable

engine = VllmEngine(sys.argv[1], max_model_len=1024, max_prompt_tokens=900)
long = Sampling(temperature=1.0, max_tokens=900, stop=(), seed=1)
short = Sampling(temperature=1.0, max_tokens=1, stop=(), seed=1)

async def outcome(prompt, sampling):
    try:
        await engine.complete(prompt, sampling)
    except (EngineUnavailable, RowFailure) as error:
        return f"{type(error).__name__}: {error}"
    return "completed"
"""

DIES = """
some = Sampling(temperature=1.0, max_tokens=60, stop=(), seed=1)

def core():
    [process] = [child for child in multiprocessing.active_children() if child.name == "EngineCore"]
    return process

async def all_of(calls):
    for call in calls:
        print(await call)

def ask():
    return [asyncio.create_task(outcome(f"x{n}", some)) for n in range(200)]

async def main():
    print(await outcome("x", short))
    print(await outcome("x " * 1000, short))
    calls = ask()
    await asyncio.sleep(0.1)
    core().kill()
    await all_of(calls)  # by the engine that was loaded again
    first, calls = core(), ask()
    first.kill()
    while True:  # while it is loaded again
        cores = [child for child in multiprocessing.active_children() if child.name == "EngineCore"]
        if cores and cores[0].pid != first.pid:
            break
        await asyncio.sleep(0.05)
    cores[0].kill()
    await all_of(calls)
    print(await outcome("x", short))

asyncio.run(main())
engine.close()
engine.close()
"""

KILLED = """
async def main():
    print(await outcome("x", short), flush=True)
    await asyncio.gather(*(outcome(f"x{n}", long) for n in range(10000)))

asyncio.run(main())
"""


@pytest.mark.timeout(900)  # it is loaded three times
def test_a_dead_engine_is_no_failure_of_a_row(tmp_path: Path, model_folder: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT + DIES)
    done = subprocess.run(
        [sys.executable, "script.py", model_folder],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=800,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert lines[:2] == ["completed", "RowFailure: prompt-too-long"], done.stderr
    assert lines[2:202] == ["completed"] * 200
    died = [line.startswith("EngineUnavailable: the vLLM engine died") for line in lines[202:]]
    assert len(died) == 201
    assert died[-1]
    assert sum(died) > 20
    assert {line for line, dead in zip(lines[202:], died, strict=True) if not dead} <= {"completed"}
    assert done.returncode == 0
    said = done.stderr.splitlines()
    assert len(said) == 2, done.stderr
    assert all("it is loaded again, and its calls are asked again" in line for line in said)


@pytest.mark.parametrize("when", ["completing", "loading"])
def test_nothing_outlives_a_killed_run(tmp_path: Path, model_folder: Path, when: str) -> None:
    mark = f"SCA_HF_TEST={uuid.uuid4()}"
    (tmp_path / "script.py").write_text(SCRIPT + KILLED)
    name, value = mark.split("=")
    run = subprocess.Popen(
        [sys.executable, "script.py", model_folder],
        cwd=tmp_path,
        env=os.environ | {name: value},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert run.stdout is not None
    if when == "completing":
        assert run.stdout.readline() == "completed\n"
        assert len(_processes(mark)) > 1
    else:
        while not any("spawn_main" in process for process in _processes(mark)):
            time.sleep(0.05)
    run.send_signal(signal.SIGKILL)
    assert run.stdout.read() == ""  # comes back only when the last holder of the pipe is gone
    run.wait()
    deadline = time.monotonic() + 10
    while _processes(mark) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _processes(mark) == []


def _processes(mark: str) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append((folder / "cmdline").read_text())
        except OSError:
            continue
    return found
