"""Whole runs over many machines: replicas on a real local Ray, jails there, servers that leave. One manifest."""

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sca_hf import cluster
from sca_hf.engines.ray import replica
from sca_hf.engines.vllm import engine as vllm_engine
from sca_hf.pipeline.pipeline import Pipeline
from sca_hf.recipe import load_recipe
from sca_hf.store import Store
from tests.code_files import write_code
from tests.engines.loopback_server import MODEL, Loopback
from tests.pipeline.writing import WritingEngine, WritingReplica, written
from tests.watching import finished_calls, processes_below

pytestmark = [pytest.mark.jail, pytest.mark.slow, pytest.mark.timeout(540)]

SEEDS, SAMPLES = 20, 5
STAGES = "stages=[seeds, concepts, instructions, responses, execute, select, sft]"

Manifests = dict[str, tuple[str, str]]


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_code(tmp_path_factory.mktemp("code"), SEEDS)


@pytest.fixture(scope="module")
def model() -> Iterator[None]:
    """A function of prompt and seed in the place of vLLM's, here and in replicas."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vllm_engine, "VllmEngine", WritingEngine)
        patch.setattr(replica, "Replica", WritingReplica)
        patch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
        yield


@pytest.fixture(scope="module")
def local_ray(model: None) -> Iterator[None]:
    """One for all runs."""
    pytest.importorskip("ray", reason="ray isn't installed: pip install 'sca-hf[ray]'")
    cluster.join()
    yield
    cluster.leave()


def run(code: Path, store: Path, *more: str) -> Manifests:
    recipe = load_recipe(
        "demo", [STAGES, f"seeds.source={code}", "seeds.type_check=null", f"responses.samples={SAMPLES}", *more]
    )
    outcomes = Pipeline(recipe, Store(store)).run()
    assert outcomes[-1].version.counts.kept > 1
    return {version.dataset: (version.fingerprint, version.manifest_sha) for version in Store(store).versions()}


def when(holds: Callable[[], bool], do: Callable[[], None]) -> threading.Thread:
    """Do something as soon as something holds."""

    def wait() -> None:
        deadline = time.monotonic() + 240
        while not holds() and time.monotonic() < deadline:
            time.sleep(0.01)
        do()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


@pytest.fixture(scope="module")
def whole(model: None, code: Path, tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    """The versions of one process."""
    return run(code, tmp_path_factory.mktemp("whole"))


@pytest.mark.parametrize(("replicas", "jails_on"), [(1, "machine"), (2, "ray"), (3, "machine")])
def test_replicas_make_the_bytes_of_one_process(
    local_ray: None, whole: Manifests, code: Path, tmp_path: Path, replicas: int, jails_on: str
) -> None:
    on_ray = ("engine.kind=ray", f"engine.replicas={replicas}", "engine.replica_cpus=0.1")
    assert run(code, tmp_path, *on_ray, f"run.jails_on={jails_on}", "run.jails=1") == whole


def test_deaths_of_replicas_and_hosts_of_jails_change_no_byte(
    local_ray: None, whole: Manifests, code: Path, tmp_path: Path
) -> None:
    """One death each: no call has a second one, which would cost its row."""
    killed, journal = [], tmp_path / "journal.sqlite"

    def kill(what: bytes) -> None:
        for process in processes_below(os.getpid(), b"ray::" + what)[:1]:
            os.kill(process, signal.SIGKILL)
            killed.append(what)

    made_by_engine = 2 * SEEDS + 2 * SEEDS * SAMPLES  # two parts a response; programs come last
    killers = [
        when(lambda: finished_calls(journal) > 60, lambda: kill(b"WritingReplica")),
        when(lambda: finished_calls(journal) > made_by_engine, lambda: kill(b"JailHost")),
    ]
    on_ray = ("engine.kind=ray", "engine.replicas=2", "engine.replica_cpus=0.1", "run.jails_on=ray", "run.jails=1")
    assert run(code, tmp_path, *on_ray) == whole
    for killer in killers:
        killer.join()
    assert killed == [b"WritingReplica", b"JailHost"]


def test_two_servers_and_one_that_leaves_make_the_bytes_of_one(code: Path, tmp_path: Path) -> None:
    servers = [Loopback(), Loopback()]
    for server in servers:
        server.says = written
    addresses = tmp_path / "servers.txt"
    addresses.write_text("".join(f"{server.url}\n" for server in servers))
    on_servers = ("engine.kind=openai", f"model={MODEL}", "engine.max_num_seqs=4")

    def leave() -> None:
        addresses.write_text(f"{servers[1].url}\n")
        servers[0].close()

    leaving = when(lambda: finished_calls(tmp_path / "two" / "journal.sqlite") > 60, leave)
    two = run(code, tmp_path / "two", *on_servers, f"engine.urls={addresses}")
    leaving.join()
    asked = [sum(server.asked.values()) for server in servers]
    assert asked[0] > 10
    assert asked[1] > 50
    assert run(code, tmp_path / "one", *on_servers, f"engine.urls=['{servers[1].url}']") == two
    servers[1].close()
