"""The SPDX ids of licenses, by tags in files and by the texts of license files.

The tag in a file wins, then the license files in the nearest folder above it that has any. A license that can't be told
is UNKNOWN; a file with such a license above it is not under the license of a folder further up.
"""

import re
from collections.abc import Collection, Iterable, Mapping

UNKNOWN = "unknown"

_OPERATOR = re.compile(r"\s(?:and|or)\s")
_HEAD_BYTES = 10_000  # where a file says its license
_FILE_TAG = re.compile(rb"SPDX-License-Identifier:[ \t]*([^\r\n]*)")
_EXPRESSION = re.compile(r"\(*[A-Za-z0-9.:+-]+\)*(?:\s+(?:AND|OR|WITH)\s+\(*[A-Za-z0-9.:+-]+\)*)*")
_TAG = re.compile(r"SPDX-License-Identifier:\s*([A-Za-z0-9.+-]+(?:\s+(?:AND|OR|WITH)\s+[A-Za-z0-9.+-]+)*)")
_FILE = re.compile(r"(?:un)?licen[sc]e(?:[-_.].*)?|copying(?:[-_.].*)?|mit-license(?:\..*)?", re.IGNORECASE)

_NOT_TEXTS = (
    ".py",
    ".pyi",
    ".js",
    ".ts",
    ".go",
    ".rs",
    ".java",
    ".c",
    ".h",
    ".cpp",
    ".rb",
    ".sh",
    ".json",
    ".yaml",
    ".yml",
)

# What each license has and no earlier one in this list, in lower case, with single blanks.
_TEXTS = (
    ("AGPL-3.0", ("gnu affero general public license", "version 3")),
    ("LGPL-2.1", ("gnu lesser general public license", "version 2.1")),
    ("LGPL-3.0", ("gnu lesser general public license", "version 3")),
    ("GPL-3.0", ("gnu general public license", "version 3")),
    ("GPL-2.0", ("gnu general public license", "version 2")),
    ("Apache-2.0", ("apache license", "version 2.0")),
    ("MPL-2.0", ("mozilla public license", "2.0")),
    ("EPL-2.0", ("eclipse public license", "2.0")),
    ("PSF-2.0", ("python software foundation license version 2",)),
    ("BSL-1.0", ("boost software license", "version 1.0")),
    ("Unlicense", ("this is free and unencumbered software released into the public domain",)),
    ("CC0-1.0", ("cc0 1.0 universal",)),
    ("Zlib", ("this software is provided 'as-is'", "altered source versions must be plainly marked")),
    ("BSD-4-Clause", ("redistribution and use in source and binary forms", "all advertising materials")),
    ("BSD-3-Clause", ("redistribution and use in source and binary forms", "neither the name")),
    ("BSD-3-Clause", ("redistribution and use in source and binary forms", "may not be used to endorse")),
    ("BSD-2-Clause", ("redistribution and use in source and binary forms",)),
    ("MIT", ("permission is hereby granted, free of charge", "the above copyright notice and this permission notice")),
    ("MIT-0", ("permission is hereby granted, free of charge",)),
    ("ISC", ("permission to use, copy, modify, and", "provided that the above copyright notice")),
    ("0BSD", ("permission to use, copy, modify, and",)),
)


def is_license_file(name: str) -> bool:
    """Return whether a file is named as licenses are: LICENSE, COPYING.txt, LICENSE-MIT; not license.py."""
    return _FILE.fullmatch(name) is not None and not name.lower().endswith(_NOT_TEXTS)


def license_in(content: bytes | None) -> str:
    """Return the license that a source file's SPDX tag names; UNKNOWN for a tag that is none, "" without a tag."""
    tag = _FILE_TAG.search((content or b"")[:_HEAD_BYTES])
    if tag is None:
        return ""
    expression = _EXPRESSION.match(tag[1].decode("utf-8", "replace").strip())
    return " ".join(expression[0].split()) if expression else UNKNOWN


def license_above(path: str, folders: Mapping[str, str]) -> str | None:
    """Return the license of the nearest of `folders` above `path`; None if none of them is.

    Both have "/" between parts; the root is "".
    """
    folder = path
    while folder:
        folder = folder.rpartition("/")[0]
        if folder in folders:
            return folders[folder]
    return None


def licenses_of(texts: Iterable[str]) -> str:
    """Return the ids in the texts of license files, joined by " AND "; "" if none of them is known.

    A text names one license: by its SPDX tag, or by phrases that the license has. Next to known ones another text is
    UNKNOWN.
    """
    ids = list(map(_license, texts))
    return " AND ".join(dict.fromkeys(id or UNKNOWN for id in ids)) if any(ids) else ""


def allows(allowed: Collection[str], license: str) -> bool:
    """Return whether a license, which may be an SPDX expression, is among those `allowed` (ids in lower case).

    Of alternatives one is enough. An expression with both AND and OR needs all of its ids.
    """
    expression = license.lower().replace("(", " ").replace(")", " ")
    ids = [id.strip() for id in _OPERATOR.split(expression)]
    alternatives = " or " in expression and " and " not in expression
    return (any if alternatives else all)(id in allowed for id in ids)


def _license(text: str) -> str:
    tag = _TAG.search(text)
    if tag:
        return tag[1]
    # Curly quotes and line breaks differ between copies of one license. The beginning says which one it is: longer ones
    # quote others at their end.
    plain = " ".join(text.lower().replace("‘", "'").replace("’", "'").replace("``", "'").replace("''", "'").split())
    names = (name for name, phrases in _TEXTS if all(phrase in plain[: _most(name)] for phrase in phrases))
    return next(names, "")


def _most(name: str) -> int:
    """Return how much of a text is looked at: of those that say their name, the head, where others only quote it."""
    return 400 if name.startswith(("AGPL", "LGPL", "GPL", "Apache", "MPL", "EPL", "BSL", "CC0")) else 20_000
