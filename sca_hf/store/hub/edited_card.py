"""The card of a repository on the Hub, where people may have edited it: an edit is kept.

Each commit of ours holds the card as it was generated, a second time, in `.sca_hf/card.md`. Where a repository's
`README.md` differs from that, a person has changed it. Then `README.md` stays as it is, but for the `configs` in its
YAML head, by which `load_dataset` finds the files.
"""

import re

CARD = "README.md"
GENERATED = ".sca_hf/card.md"

_HEAD = re.compile(r"\A---\n(.*?\n)---\n", re.DOTALL)
# With the blank lines and comments inside the list, not those after it.
_CONFIGS = re.compile(r"^configs:.*\n(?:(?:[ \t]*\n|#.*\n)*[ \-].*\n)*", re.MULTILINE)


def keep_edit(edited: str, generated: str) -> str:
    """Return the card `edited` by a person, with the `configs` of the `generated` one."""
    edited = edited.replace("\r\n", "\n")
    new_head, old_head = _HEAD.match(generated), _HEAD.match(edited)
    assert new_head is not None, "a generated card has a YAML head"
    if old_head is None:
        return new_head[0] + edited
    configs = _CONFIGS.search(new_head[1])
    assert configs is not None, "a generated card has configs"
    head = _CONFIGS.sub("", old_head[1]) + configs[0]
    return f"---\n{head}---\n{edited[old_head.end() :]}"
