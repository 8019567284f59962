"""The SPDX ids of a repository's licenses, by the texts of its license files."""

import re
from collections.abc import Iterable

_TAG = re.compile(r"SPDX-License-Identifier:\s*([A-Za-z0-9.+-]+(?:\s+(?:AND|OR|WITH)\s+[A-Za-z0-9.+-]+)*)")
_FILE = re.compile(r"(?:un)?licen[sc]e(?:[-_.].*)?|copying(?:[-_.].*)?|mit-license(?:\..*)?", re.IGNORECASE)

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
    """Return whether a file in a repository's root is named as licenses are: LICENSE, COPYING.txt, LICENSE-MIT."""
    return _FILE.fullmatch(name) is not None


def licenses_of(texts: Iterable[str]) -> str:
    """Return the ids in the texts of license files, joined by " AND "; "" if none of them is known.

    A text names one license: by its SPDX tag, or by phrases that the license has.
    """
    return " AND ".join(dict.fromkeys(filter(None, map(_license, texts))))


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
