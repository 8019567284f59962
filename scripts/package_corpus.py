"""Copy installed packages to a folder of seeds, each in a folder of its own with its license files.

    .venv/bin/python scripts/package_corpus.py FOLDER networkx sympy mpmath
    .venv/bin/python -m sca_hf.run --recipe laptop --set seeds.source=FOLDER --set seeds.licenses=[MIT,BSD-3-Clause]

An installed package keeps its license apart from its files; a source of seeds looks for it above them.
"""

import shutil
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path, PurePosixPath

from sca_hf.corpus.spdx import is_license_file


def copy_package(name: str, folder: Path) -> int:
    """Copy the Python files of a package to `folder`/`name` with its license files; return how many there are."""
    package = distribution(name)
    count = 0
    for file in package.files or ():
        parts = PurePosixPath(file).parts
        if file.suffix == ".py" and ".." not in parts and "tests" not in parts:
            target = folder / name / file
            count += 1
        elif parts[0].endswith(".dist-info") and is_license_file(file.name):
            target = folder / name / file.name
        else:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(package.locate_file(file)), target)
    return count


def main() -> None:
    """Copy each package named."""
    folder, names = Path(sys.argv[1]), sys.argv[2:]
    for name in names:
        try:
            count = copy_package(name, folder)
        except PackageNotFoundError:
            sys.exit(f"package {name!r} is not installed in this environment; install it, or leave it out")
        print(f"{name}: {count} files")


if __name__ == "__main__":
    main()
