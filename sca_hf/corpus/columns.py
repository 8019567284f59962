"""Rows that hold source files: which columns say what, in our own layout and in those of The Stack v1 and v2."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from datasets import Features, List, Value

from sca_hf.errors import InputError

FEATURES = Features({"path": Value("string"), "content": Value("binary"), "license": Value("string")})

# Columns by what they say, the first that is there counts: our own, those of The Stack v1, those of The Stack v2.
_PATHS = ("path", "max_stars_repo_path")
_REPOSITORIES = ("repository", "max_stars_repo_name", "repo_name")
_LICENSES = ("license", "max_stars_repo_licenses", "detected_licenses")
_BLOBS = "blob_id"  # what The Stack v2 has in place of texts


@dataclass(frozen=True)
class ColumnMap:
    """The columns for a file's text, path, repository and licenses; "" where there is none.

    A path begins with the repository where the data say it; several licenses of one file are joined by " AND ".
    """

    content: str
    path: str
    repository: str
    licenses: str

    def files(self, rows: Mapping[str, Sequence[Any]], names: Sequence[str], license: str) -> dict[str, list[Any]]:
        """A batch in the columns of FEATURES. `names`: paths for rows without one; `license`: for those without."""
        nothing = [None] * len(names)
        paths, repositories = rows.get(self.path, nothing), rows.get(self.repository, nothing)
        return {
            "path": [_path(of, at) or name for at, of, name in zip(paths, repositories, names, strict=True)],
            "content": [_bytes(text) for text in rows[self.content]],
            "license": [_joined(own) or license for own in rows.get(self.licenses, nothing)],
        }


def column_map(source: str, features: Mapping[str, Any], column: str) -> ColumnMap:
    """Return the layout of data with these features whose text is in `column`.

    Raises InputError, which names `source`, when the column is missing or one of the columns is not a text.
    """
    names = list(features)
    if column not in names and _BLOBS in names:
        raise InputError(
            f"seed source {source!r} has no column {column!r} but {_BLOBS!r}: The Stack v2 lists files without their "
            "texts; download those from Software Heritage as its card tells, and give the rows with a column for the "
            "text (seeds.column), or take hf://bigcode/the-stack-dedup, which has them"
        )
    if column not in names:
        raise InputError(
            f"seed source {source!r} has no column {column!r}, only {names}; "
            "set seeds.column to the one with the source text"
        )
    layout = ColumnMap(column, *(_first(known, names) for known in (_PATHS, _REPOSITORIES, _LICENSES)))
    for name in sorted({column, layout.path, layout.repository, layout.licenses} - {""}):
        if not _is_text(features[name], bytes_too=name == column, lists_too=name == layout.licenses):
            raise InputError(f"column {name!r} of seed source {source!r} is {features[name]}; give it as text")
    return layout


def _first(names: Sequence[str], columns: Sequence[str]) -> str:
    return next((name for name in names if name in columns), "")


def _path(repository: str | None, path: str | None) -> str:
    return "/".join(part.strip("/") for part in (repository, path) if part)


def _is_text(feature: Any, bytes_too: bool, lists_too: bool) -> bool:
    if lists_too and isinstance(feature, List):
        feature = feature.feature
    # A column of nulls alone says nothing, and does no harm.
    texts = {"string", "large_string", "null"} | ({"binary", "large_binary"} if bytes_too else set())
    return getattr(feature, "dtype", None) in texts


def _joined(licenses: str | list[str] | None) -> str:
    return " AND ".join(licenses) if isinstance(licenses, list) else licenses or ""


def _bytes(text: str | bytes | None) -> bytes | None:
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
