"""The command that writes a run's report: one HTML page that needs nothing else."""

import argparse
import sys
from pathlib import Path

from sca_hf.console.start import start
from sca_hf.errors import InputError, StoreError

EXAMPLES = """\
examples:
  python -m sca_hf.report                                 # of the newest run of ./store
  python -m sca_hf.report demo-sft/0123456789abcdef --output report.html
  python -m sca_hf.report demo-sft --against demo-sft/fedcba9876543210
  python -m sca_hf.report demo-responses                  # of a run that was ended after its responses

RUN is the version that a run led to: DATASET/FINGERPRINT (a unique prefix is enough), or DATASET for its latest one.
Exit codes: 0 done, 2 an error that you can fix, 130 interrupted.
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="python -m sca_hf.report",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("run", nargs="?", metavar="RUN", help="the version that it led to; default: the newest of all")
    made.add_argument("--store", type=Path, default=Path("store"), metavar="DIR", help="where versions lie (./store)")
    made.add_argument("--against", metavar="RUN", help="another run, to compare it with")
    made.add_argument(
        "--output", type=Path, metavar="FILE", help="where to write the page (./DATASET-FINGERPRINT.html)"
    )
    made.add_argument(
        "--prompts", metavar="FILE", help="the exemplars of the run, where its recipe names a file of your own"
    )
    return made


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return the exit code."""
    given = parser().parse_args(arguments)
    from sca_hf.console.exit_code import exit_code

    return exit_code(lambda: _write(given))


def _write(given: argparse.Namespace) -> None:
    from sca_hf.reporting.page import page
    from sca_hf.reporting.runs import journal_in, run_named
    from sca_hf.store import Store

    if not given.store.is_dir():
        raise StoreError(f"there is no store {given.store}; give the folder of one with --store")
    store = Store(given.store)
    run = run_named(store, given.run)
    against = run_named(store, given.against) if given.against else None
    version = run.last.version
    output: Path = given.output or Path(f"{version.dataset}-{version.fingerprint}.html")
    text = page(run, journal_in(given.store), against, given.prompts)
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"--output {output} can't be written: {error.strerror}; give another file") from error
    print(f"{output}: {len(text.encode()) / 1e6:.1f} MB; open it in a browser")


if __name__ == "__main__":
    start()
    sys.exit(main())
