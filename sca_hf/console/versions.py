"""What the versions command prints."""

from collections.abc import Collection, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.markup import escape

from sca_hf.console.commands import typed_here
from sca_hf.console.terminal import plain_table, terminal, with_note
from sca_hf.errors import StoreError
from sca_hf.pipeline.unused import Unused
from sca_hf.store import Version
from sca_hf.store.history import Difference, Listed
from sca_hf.store.hub.hub import Remote
from sca_hf.store.lineage import Parent, Writer
from sca_hf.wording import counted

_SHOWN_ROWS = 5


class VersionsConsole:
    """Prints to the standard output."""

    def __init__(self) -> None:
        self._terminal = terminal()

    def versions(self, listed: Sequence[Listed], latest: Collection[Path], hidden: int) -> None:
        """One line a version, in order; those at the paths `latest` are marked. `hidden`: pilots left out."""
        table = plain_table(None, ("version", ""), ("rows", "rejected", "MB", "written"))
        broken = []
        for each in listed:
            version = each.version
            if isinstance(version, StoreError):
                table.add_row(each.name, "[red]![/red]", "-", "-", "-", "can't be read")
                broken.append(version)
                continue
            size = sum(path.stat().st_size for path in version.path.rglob("*") if path.is_file())
            table.add_row(
                each.name,
                "*" if version.path in latest else "p" if each.is_pilot else "",
                f"{version.counts.kept:,}",
                f"{sum(version.counts.rejected.values()):,}",
                f"{size / 1e6:,.1f}",
                f"{datetime.fromtimestamp(each.written / 1e9).astimezone():%Y-%m-%d %H:%M}",
            )
        note = "* the latest of its dataset" + ("; p a pilot's" if any(each.is_pilot for each in listed) else "")
        self._terminal.print(with_note(table, note))
        if hidden:
            self._terminal.print(f"{hidden:,} more of pilots alone: list --pilots")
        for error in broken:
            self._terminal.print(f"[red]![/red] {escape(str(error))}", soft_wrap=True)

    def show(self, version: Version, ancestors: Sequence[tuple[Parent, Version | None]]) -> None:
        """What a version is, and its line back to the source."""
        lineage, counts = version.lineage, version.counts
        facts = {
            "folder": version.path,
            "manifest": version.manifest_sha,
            "stage": f"{lineage.stage}, version {lineage.stage_version}",
            "rows": f"{counts.rows_in:,} in, {counts.judged:,} judged, {counts.kept:,} kept",
            "rejected": ", ".join(f"{reason} {rows:,}" for reason, rows in counts.rejected.items()) or "none",
            "written by": "; ".join(map(_model, lineage.models)) or "no model",
            "licenses": ", ".join(f"{license} {rows:,}" for license, rows in lineage.licenses.items()) or "unknown",
            "made with": ", ".join(f"{name} {number}" for name, number in lineage.packages.items()),
            "make it again": typed_here(lineage.command) if lineage.command else "see its card",
        }
        self._terminal.print(f"[bold]{_name(version)}[/bold]")
        for name, value in facts.items():
            self._terminal.print(f"  {name:<14}{escape(str(value))}", soft_wrap=True)
        self._terminal.print("[bold]made from[/bold]")
        for parent, ancestor in ancestors:
            where = counted(ancestor.counts.kept, "row") if ancestor else "not in this store, or can't be read"
            self._terminal.print(f"  {parent.dataset}/{parent.fingerprint}  [dim]{where}[/dim]", soft_wrap=True)
        first = ancestors[-1][1] if ancestors else version
        if first is not None:
            self._terminal.print(f"  {escape(_source(first))}", soft_wrap=True)

    def difference(self, difference: Difference) -> None:
        """What differs between two versions."""
        old, new = _name(difference.old), _name(difference.new)
        for title, values in (("settings", difference.settings), ("counts", difference.counts)):
            self._terminal.print(f"[bold]{title}[/bold]" + ("" if values else ": the same"))
            if values:
                table = plain_table(None, (title, old, new))
                for name, (before, after) in values.items():
                    table.add_row(escape(name), escape(_value(before)), escape(_value(after)))
                self._terminal.print(table)
        for title, ids in (("gone", difference.gone), ("added", difference.added), ("changed", difference.changed)):
            shown = ", ".join(ids[:_SHOWN_ROWS]) + (", …" if len(ids) > _SHOWN_ROWS else "")
            self._terminal.print(f"[bold]rows {title}[/bold]: {len(ids):,}  [dim]{escape(shown)}[/dim]", soft_wrap=True)

    def verified(self, version: Version, unchecked: Sequence[str]) -> None:
        """A version that holds."""
        rest = f"; not checked: {', '.join(unchecked)}" if unchecked else ", back to the source"
        self._terminal.print(f"[green]ok[/green] {_name(version)}: bytes and lineage{rest}", soft_wrap=True)

    def pushed(self, version: Version, remote: Remote) -> None:
        """A version that is on the Hub."""
        self._terminal.print(f"{_name(version)} is {remote.repo}@{remote.revision}", soft_wrap=True)

    def pulled(self, version: Version) -> None:
        """A version that came from the Hub."""
        self._terminal.print(f"{version.path}: {counted(version.counts.kept, 'row')}", soft_wrap=True)

    def written(self, path: Path) -> None:
        """A file that is there now."""
        self._terminal.print(f"wrote {path}", soft_wrap=True)

    def removed(self, version: Version) -> None:
        """A version that is gone."""
        self._terminal.print(f"removed {_name(version)}", soft_wrap=True)

    def unused(self, unused: Unused, *, removed: bool) -> None:
        """Calls that no version came from."""
        verb = "removed" if removed else "would remove"
        count, size = counted(unused.all_calls, "answer"), f"{unused.size / 1e6:,.1f} MB"
        self._terminal.print(f"{verb} {unused.calls:,} of {count} in the journal (completions and verdicts), {size}")


def _name(version: Version) -> str:
    return f"{version.dataset}/{version.fingerprint}"


def _model(model: Writer) -> str:
    return f"{model.model}, revision {model.revision}, on {model.build}, {model.dtype}"


def _source(version: Version) -> str:
    """Return what the first stage of a line read."""
    lineage = version.lineage
    settings = lineage.recipe.get(lineage.stage, {})
    return str(lineage.input or settings.get("source", "unknown source"))


def _value(value: Any) -> str:
    return "-" if value is None else str(value)
