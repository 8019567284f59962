"""Writes the table of all settings into the README, from the docstrings of the settings.

python scripts/write_settings.py
"""

from pathlib import Path

from sca_hf.console.settings import markdown, settings
from sca_hf.recipe import complete_recipe

README = Path(__file__).parents[1] / "README.md"
BEGIN = "<!-- settings: written by scripts/write_settings.py -->\n"
END = "<!-- end of settings -->"


def with_table(readme: str) -> str:
    """Return the text of the README with the table of today's settings in place of the one that it has."""
    before, _, rest = readme.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{markdown(settings(complete_recipe()))}\n\n{END}{after}"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
