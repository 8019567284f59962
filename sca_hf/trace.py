"""The command that shows a row's whole life: what it was made from, what came of it, and why."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from sca_hf.console.start import start
from sca_hf.errors import InputError, StoreError

if TYPE_CHECKING:
    from sca_hf.store import Store, Version

EXAMPLES = """\
examples:
  python -m sca_hf.trace 6e01597ccdeb2f43e77d
  python -m sca_hf.trace 6e01                             # a unique prefix is enough
  python -m sca_hf.trace 6e01 --full                      # prompts and all other texts as a whole
  python -m sca_hf.trace 6e01 --from my-org/demo-sft@v-0123456789abcdef

ROW_ID is the id of a row of any stage, kept or rejected. Reports show them.
Exit codes: 0 done, 2 an error that you can fix, 130 interrupted.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m sca_hf.trace",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("row", metavar="ROW_ID", help="a row's id, or its first digits")
    made.add_argument("--store", type=Path, default=Path("store"), metavar="DIR", help="where versions lie (./store)")
    made.add_argument(
        "--from",
        dest="version",
        metavar="REPO@TAG",
        help="a version on the Hub; it, and what it was made from, is pulled into the store",
    )
    made.add_argument("--full", action="store_true", help="all of every text")
    made.add_argument(
        "--prompts", metavar="FILE", help="the exemplars of the run, where its recipe names a file of your own"
    )
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return the exit code."""
    given = parser().parse_args(arguments)
    from sca_hf.console.exit_code import exit_code

    return exit_code(lambda: _trace(given))


def _trace(given: argparse.Namespace) -> None:
    from sca_hf.console.trace import TraceConsole
    from sca_hf.reporting.calls import Calls
    from sca_hf.reporting.finding import find
    from sca_hf.reporting.life import life
    from sca_hf.reporting.runs import Step, journal_in
    from sca_hf.store import Store

    if given.version is None and not given.store.is_dir():
        raise StoreError(f"there is no store {given.store}; give the folder of one with --store")
    store = Store(given.store)
    match = find(store, given.row, _pulled(store, given.version) if given.version else None)
    with Calls(match.run, journal_in(given.store), given.prompts) as calls:
        TraceConsole(given.full).life(life(match, calls, map(Step, store.versions())))


def _pulled(store: "Store", name: str) -> "Version":
    """A version of the Hub in the store, and all that it was made from."""
    from sca_hf.store.hub.hub import Hub

    repo, _, revision = name.partition("@")
    if not revision:
        raise InputError(f"--from {name}: give a version's tag too, as in {repo}@v-0123456789abcdef")
    hub = Hub.behind(repo)
    version = hub.pull(hub.at(repo, revision), store, repo.rpartition("/")[2])
    pending = [version]
    while pending:
        for parent in pending.pop().lineage.parents:
            remote = hub.find(parent.dataset.rpartition("-")[2], parent.fingerprint)
            if remote is not None:  # else its rows are had as far as the versions below carry them
                pending.append(hub.pull(remote, store, parent.dataset))
    return version


if __name__ == "__main__":
    start()
    sys.exit(main())
