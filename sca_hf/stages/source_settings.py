"""Where a stage that makes rows from source files gets them, and the origin that they declare."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from sca_hf.corpus.hub import SCHEME, File
from sca_hf.corpus.sources import Source, open_source
from sca_hf.errors import InputError
from sca_hf.settings import PATH, Settings
from sca_hf.stage import Counts, Origin

_WHERE = frozenset({"source", "config", "data_dir", "split"})


class SourceSettings(Settings):
    """Where rows come from.

    `source`: "stdlib", a folder, git checkouts, a data file, the folder of a version, or hf://namespace/name. `column`:
    which one of a data file, a version or a dataset on the Hub has the text. `license`: the SPDX id of files that
    neither say their own nor have a license file above them. `config`, `data_dir`, `split`: which rows of a source on
    the Hub. `count`: take at most this many of the rows, drawn by the run's seed.
    """

    source: str = Field(default="stdlib", min_length=1, json_schema_extra=PATH)
    config: str | None = Field(default=None, min_length=1)
    data_dir: str | None = Field(default=None, min_length=1)
    split: str = Field(default="train", min_length=1)
    column: str = Field(default="content", min_length=1)
    license: str = Field(default="unknown", min_length=1)
    count: int | None = Field(default=None, ge=1)

    @property
    def is_streamed(self) -> bool:
        """Whether the source is a dataset on the Hub, which is read as far as it is needed."""
        return self.source.startswith(SCHEME)

    @property
    def endings(self) -> tuple[str, ...]:
        """Return the endings of the names of the files that are taken."""
        return (".py",)

    def open(self, patient: bool = True) -> Source:
        """Return the source; see `open_source`."""
        return open_source(
            self.source,
            self.column,
            self.license,
            config=self.config,
            data_dir=self.data_dir,
            split=self.split,
            endings=self.endings,
            patient=patient,
        )

    def intent(self) -> dict[str, Any]:
        """Return all but where the rows are: what is there counts, and not its name."""
        return {name: value for name, value in super().intent().items() if name not in _WHERE}


def origin(stage: str) -> Origin:
    """Return the origin of a stage, by its name, whose settings are `SourceSettings`."""

    def all_rows(settings: SourceSettings, counts: Counts, limit: int | None) -> int:
        """All rows that passed in a run with a limit, `count` at most.

        Of a source on the Hub such a run read no more than it needed, so there it is what was asked for.
        """
        if settings.is_streamed:
            asked = settings.count or limit
            if asked is None:
                raise InputError(
                    f"how many {stage} {settings.source} has is not known before it is read; "
                    f"say how many to forecast: --limit N, or --set {stage}.count=N"
                )
            return asked
        passed = counts.kept + counts.rejected.get("not-sampled", 0)
        return min(passed, settings.count or passed)

    return Origin(
        open=lambda settings, patient: settings.open(patient),
        limited=lambda settings, rows: settings.model_copy(update={"count": min(rows, settings.count or rows)}),
        most_rows=lambda settings: settings.count,
        all_rows=all_rows,
    )


def files_of(columns: Mapping[str, Sequence[Any]], begin: int, license: str) -> list[File]:
    """Return the files of a batch of rows (`content`: bytes or text, `path`, `license`), the first of them row `begin`.

    Where rows don't say their path it is "input:NUMBER", from 1, and their license is the one given.
    """
    contents = [each.encode("utf-8", "surrogatepass") if isinstance(each, str) else each for each in columns["content"]]
    paths = columns.get("path") or [None] * len(contents)
    licenses = columns.get("license") or [None] * len(contents)
    return [
        (path or f"input:{begin + number}", content, spoken or license)
        for number, (path, content, spoken) in enumerate(zip(paths, contents, licenses, strict=True), start=1)
    ]
