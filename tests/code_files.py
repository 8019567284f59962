"""Files of code for runs to make seeds of."""

from pathlib import Path

FUNCTION = '''
def add_{0}(a, b):
    """Add two numbers and {0}."""
    return a + b + {0}
'''


def write_code(folder: Path, files: int, function: str = FUNCTION) -> Path:
    """Write files of one function each, another in each. Return the folder."""
    folder.mkdir(exist_ok=True)
    for number in range(files):
        (folder / f"{number:02}.py").write_text(function.format(number))
    return folder
