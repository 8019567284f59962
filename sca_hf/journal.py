"""The command for journals: unites those of a run's parts, and copies one while a run writes it."""

import argparse
import sys
from pathlib import Path

from sca_hf.console.start import start

EXAMPLES = """\
examples:
  python -m sca_hf.run --recipe demo --part 1/3           # and 2/3, 3/3: anywhere, in any order, killed or not
  python -m sca_hf.journal merge store/journal.part-*.sqlite
  python -m sca_hf.run --recipe demo                      # replays the calls into versions
  python -m sca_hf.journal copy /tmp/journal.part-1-of-3.sqlite shared/

A part runs each stage whose calls it can make from its own rows, up to the first that compares rows. The command
without --part makes what no part has made.
Exit codes: 0 done, 2 an error that you can fix, 130 interrupted.
"""


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    command = argparse.ArgumentParser(
        prog="python -m sca_hf.journal",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = command.add_subparsers(dest="command", required=True, metavar="COMMAND")
    merging = commands.add_parser("merge", help="unite journals of parts; refuses where one call has two answers")
    merging.add_argument("parts", nargs="+", type=Path, metavar="PART", help="journal of a run with --part")
    merging.add_argument(
        "--store", type=Path, default=Path("store"), metavar="DIR", help="folder of versions (./store)"
    )
    merging.add_argument(
        "--into", type=Path, metavar="FILE", help="the journal of the run, where run.journal names it (the store's)"
    )
    copying = commands.add_parser("copy", help="copy a journal as it is now, also while a run writes it")
    copying.add_argument("journal", type=Path, metavar="JOURNAL")
    copying.add_argument("to", type=Path, metavar="FILE|DIR", help="replaced whole, if it is there")
    return command


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return the exit code."""
    options = parser().parse_args(arguments)
    from sca_hf.console.exit_code import exit_code

    return exit_code(lambda: _act(options))


def _act(options: argparse.Namespace) -> None:
    from sca_hf.pipeline.journals import copy, merge
    from sca_hf.wording import counted

    if options.command == "copy":
        copy(options.journal, options.to / options.journal.name if options.to.is_dir() else options.to)
        return
    into = options.into or options.store / "journal.sqlite"
    for merged in merge(into, options.parts):
        print(f"{merged.journal}: {counted(merged.calls, 'answer')}, {merged.new:,} of them new")
    print(f"{into} has them all; run the command of the parts without --part")


if __name__ == "__main__":
    start()
    sys.exit(main())
