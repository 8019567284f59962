"""The dataset card of a version: what the rows are, what made them, what they are not good for.

The texts are the templates in `cards/`, one a stage. The same version gives the same card anywhere: no times, no hosts,
no paths of a machine.
"""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from datasets import Dataset, Features
from huggingface_hub import DatasetCardData
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from sca_hf.stage import Column, Stage
from sca_hf.store.cards.funnel import draw_funnel
from sca_hf.store.lineage import Lineage
from sca_hf.store.manifest import Manifest, format_folder, read_manifest
from sca_hf.wording import counted

PICTURE = "funnel.png"

_EXAMPLE_CHARACTERS = 1_200
_STATUS = "status"
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
# SPDX ids that the Hub knows under a name of its own, in lower case. All others are "other" with a `license_name`.
# Source: the Hub's list of licenses (huggingface.co/docs/hub/repositories-licenses).
_HUB_LICENSES = """
afl-3.0 agpl-3.0 apache-2.0 artistic-2.0 bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0 cc-by-2.0
cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 ecl-2.0 epl-1.0 epl-2.0 eupl-1.1 eupl-1.2 gpl-2.0
gpl-3.0 isc lgpl-2.1 lgpl-3.0 mit mpl-2.0 ms-pl ncsa ofl-1.1 osl-3.0 postgresql unknown unlicense wtfpl zlib
"""
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
)


def write_card(
    root: Path, dataset: str, stage: Stage, columns: Sequence[Column], lineage: Lineage, rows: Dataset
) -> None:
    """Write `README.md` and `funnel.png` into the folder `root` of a version whose other files are written."""
    manifest = read_manifest(root)
    (root / PICTURE).write_bytes(draw_funnel(dataset, lineage.funnel, _statuses(stage, rows)))
    metadata = card_metadata(dataset, stage, lineage, manifest)
    measured = Features({column.name: column.feature for column in stage.measured}).arrow_schema
    text = render(
        [f"{stage.name}.md.j2", "base.md.j2"],
        metadata=metadata.to_yaml().strip(),
        dataset=dataset,
        fingerprint=lineage.fingerprint,
        picture=PICTURE,
        stage=stage,
        lineage=lineage,
        counts=lineage.counts,
        models=lineage.models,
        columns=[(column, str(rows.features.arrow_schema.field(column.name).type)) for column in columns],
        measured=[(column, str(measured.field(column.name).type)) for column in stage.measured],
        example=_example(rows),
        formats=[(shape, sum(file.rows for file in manifest.of(format_folder(shape.name)))) for shape in stage.formats],
        rejected_rows=sum(file.rows for file in manifest.of("rejected")),
        recipe=lineage.recipe,
        recipe_yaml=yaml.safe_dump(lineage.recipe, sort_keys=False, allow_unicode=True).strip(),
        intent=dict(sorted(_flat(lineage.intent or {}))),
        packages=dict(sorted(lineage.packages.items())),
        tokens=lineage.tokens.model_dump(),
    )
    (root / "README.md").write_text(text, encoding="utf-8")


def card_metadata(dataset: str, stage: Stage, lineage: Lineage, manifest: Manifest) -> DatasetCardData:
    """Return the YAML head of the card, in the Hub's terms."""
    # `datasets` caches a local folder by its path and card, not by its data. A version that is removed and made anew
    # with other rows would be read from the stale cache if the card didn't name the manifest.
    configs = [
        {
            "config_name": name,
            "data_files": [{"split": "train", "path": f"{folder}/train-*.parquet"}],
            "description": f"manifest {manifest.sha}",
        }
        for name, folder in (
            ("default", "data"),
            *((shape.name, format_folder(shape.name)) for shape in stage.formats),
            ("rejected", "rejected"),
        )
        if manifest.of(folder)
    ]
    rows = sum(file.rows for file in manifest.of("data"))
    models = [model.model for model in lineage.models if is_repository(model.model)]
    sources = [name for name, at, _ in (source.partition("@") for source in lineage.sources) if at]
    synthetic = ["synthetic", "self-instruct"] if lineage.models else []
    return DatasetCardData(
        pretty_name=dataset,
        language=["en", "code"],
        **license_metadata(lineage.licenses),
        base_model=models or None,
        source_datasets=sources or ["original"],
        task_categories=["text-generation"],
        size_categories=[next((name for bound, name in _SIZES if rows < bound), "100M<n<1B")],
        tags=["code", "python", *synthetic, "selfcodealign", "sca-hf", f"sca-hf-{stage.name}"],
        configs=configs,
    )


def readme_of_latest(version: Path) -> str:
    """Return the card of a folder of versions: its rows are those of `version`, whose folder it names.

    It names the fingerprint, not the link `latest`, so that `datasets` doesn't read another version from its cache.
    """
    folders = dict.fromkeys(file.name.rpartition("/")[0] for file in read_manifest(version).files)
    configs = [
        {
            "config_name": "default" if folder == "data" else folder.rpartition("/")[2],
            "data_files": [{"split": "train", "path": f"{version.name}/{folder}/train-*.parquet"}],
        }
        for folder in folders
    ]
    return (
        f"---\n{DatasetCardData(configs=configs).to_yaml()}\n---\n\nThe rows of the latest version, {version.name}.\n"
    )


def readme_without_latest() -> str:
    """Return the card of a folder of versions none of which is the latest: pilots alone.

    Without a card `datasets` would mix the rows of all of them; by this one it says that there is no `latest`.
    """
    configs = [{"config_name": "default", "data_files": [{"split": "train", "path": "latest/data/train-*.parquet"}]}]
    return f"---\n{DatasetCardData(configs=configs).to_yaml()}\n---\n\nNo version here is the latest.\n"


def license_metadata(licenses: Iterable[str]) -> dict[str, Any]:
    """Return the license fields of a head, for what has all of these licenses (SPDX ids)."""
    names = {license.lower() for license in licenses}
    if len(names) == 1 and names <= set(_HUB_LICENSES.split()):
        return {"license": names.pop()}
    if names:
        return {"license": "other", "license_name": "-and-".join(sorted(names)) if len(names) <= 3 else "several"}
    return {"license": "unknown"}


def is_repository(name: str) -> bool:
    """Return whether a name is one of the Hub. Those of local folders and files say nothing to anyone else."""
    return _REPOSITORY.fullmatch(name) is not None


def render(templates: Sequence[str], **values: Any) -> str:
    """A card from the first of the templates that there is. Raises jinja2's errors for a value that is missing."""
    environment = Environment(
        loader=FileSystemLoader(_cards()),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown, not HTML
    )
    environment.filters.update(
        cell=_cell, fenced=_fenced, number=lambda value: f"{value:,}", counted=counted, model_name=_model_name
    )
    return re.sub(r"\n{3,}", "\n\n", environment.select_template(list(templates)).render(**values))


def _cards() -> Path:
    """Return the templates: inside an installed package, beside it in a checkout."""
    package = Path(__file__).parents[2]
    return next(folder for folder in (package / "cards", package.parent / "cards") if folder.is_dir())


def _example(rows: Dataset) -> dict[str, str]:
    """Return the first row as texts, long ones cut."""
    if not len(rows):
        return {}
    texts = {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=repr)
        for name, value in rows.with_format(None)[0].items()
    }
    return {
        name: text
        if len(text) <= _EXAMPLE_CHARACTERS
        else f"{text[:_EXAMPLE_CHARACTERS]}\n… ({len(text):,} characters)"
        for name, text in texts.items()
    }


def _statuses(stage: Stage, rows: Dataset) -> Counter[str]:
    """Return how many rows have which status of their program, if it is this stage that executes them."""
    statuses: Counter[str] = Counter()
    if any(column.name == _STATUS for column in stage.adds):
        for batch in rows.with_format(None).select_columns([_STATUS]).iter(batch_size=10_000):
            statuses.update(batch[_STATUS])
    return statuses


def _flat(tree: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Leaves of nested mappings, with dotted names."""
    leaves: list[tuple[str, Any]] = []
    for key, value in tree.items():
        name = f"{prefix}{key}"
        leaves += _flat(value, f"{name}.") if isinstance(value, Mapping) else [(name, value)]
    return leaves


def _cell(value: Any) -> str:
    """Return a text that stays in its cell of a Markdown table."""
    return " ".join(str(value).split()).replace("|", "\\|")


def _fenced(text: str, language: str = "") -> str:
    """Return a code block whose fence is longer than any in the text."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _model_name(model: str) -> str:
    """Return a Hub id as it is; of a folder its last part, since the rest is a matter of one machine."""
    return Path(model).name if model.startswith(("/", ".", "~")) or model.count("/") > 1 else model
