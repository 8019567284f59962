"""The report as a user meets it: its page in a real browser, beside the lineage that it was made from."""

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from sca_hf import report
from sca_hf.reporting.page import seconds
from sca_hf.reporting.runs import run_of
from sca_hf.store import Store, Version
from tests.reporting.browser import Browser

FIGURES = """Object.fromEntries([...document.querySelectorAll("[data-figure]")]
    .map((part) => [part.dataset.figure, Number(part.textContent.replaceAll(",", ""))]))"""
HOSTILE = "</pre></code><script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.127, "0.13 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.7, "1 min 00 s"),
        (179.7, "3 min 00 s"),
        (245.0, "4 min 05 s"),
        (3599.7, "1 h 00 min"),
        (7199.0, "2 h 00 min"),
        (25_920.0, "7 h 12 min"),
    ],
)
def test_a_span_of_time_has_no_sixtieth_part(value: float, said: str) -> None:
    assert seconds(value) == said


def written(store: Path, output: Path, *arguments: str) -> Path:
    assert report.main([*arguments, "--store", str(store), "--output", str(output)]) == 0
    return output


def versions(store: Path) -> list[Version]:
    """Of the final dataset: the first run's, then the second's."""
    first, second = sorted(Store(store).versions("demo-sft"), key=lambda version: -version.counts.kept)
    return [first, second]


def line(store: Path, last: Version) -> dict[str, Version]:
    """The versions of a run by stage."""
    return {step.stage: step.version for step in run_of(Store(store), last).steps}


@pytest.fixture(scope="module")
def page(demo_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first run's page."""
    name = f"demo-sft/{versions(demo_store)[0].fingerprint[:10]}"
    return written(demo_store, tmp_path_factory.mktemp("page") / "report.html", name)


def expected(steps: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Figures by name, as the lineage has them."""
    figures: dict[str, int] = {}
    for counts in steps:
        stage, reasons = counts["stage"], counts["rejected"]
        figures |= {f"{stage}.{name}": counts[name] for name in ("rows_in", "judged", "kept")}
        figures |= {f"{stage}.rejected.{reason}": rows for reason, rows in reasons.items()}
        figures |= {f"{stage}.rejected": sum(reasons.values())} if reasons else {}
    return figures


def funnel(version: Version) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = json.loads((version.path / "lineage.json").read_text())["funnel"]
    return steps


def test_the_page_needs_nothing_else_and_logs_nothing(page: Path, browser: Browser) -> None:
    assert page.stat().st_size < 5_000_000
    opened = browser.page(page)
    assert opened.messages == []
    assert opened.requests == [page.as_uri()]


def test_its_figures_are_the_lineage_s(page: Path, demo_store: Path, browser: Browser) -> None:
    steps = funnel(versions(demo_store)[0])
    assert browser.page(page).value(FIGURES) == expected(steps)
    assert {"cut-off-response", "cut-off-tests"} <= steps[3]["rejected"].keys()


def test_its_bars_are_as_long_as_their_rows_are_many(page: Path, browser: Browser) -> None:
    bars = browser.page(page).value(
        """[...document.querySelectorAll("[data-bar]")]
            .filter((bar) => bar.classList.contains("kept") || !bar.parentElement.querySelector(".tear"))
            .map((bar) => [Number(bar.dataset.rows), bar.getBoundingClientRect().width])"""
    )
    scale = max(width / rows for rows, width in bars)
    assert len(bars) > 8
    for rows, width in bars:
        assert width == pytest.approx(rows * scale, rel=0.01, abs=0.1)


def test_pass_rates_are_those_of_the_attempts(page: Path, demo_store: Path, browser: Browser) -> None:
    attempts = line(demo_store, versions(demo_store)[0])["execute"].load()
    totals, passed = Counter(attempts["difficulty"]), Counter[str]()
    for difficulty, status in zip(attempts["difficulty"], attempts["status"], strict=True):
        passed[difficulty] += status == "passed"
    shown = browser.page(page).value('document.getElementById("passes").textContent.replace(/\\s+/g, " ")')
    for difficulty, total in totals.items():
        assert f"{difficulty} {100 * passed[difficulty] / total:.1f} % {passed[difficulty]} of {total}" in shown
    failures = Counter(name for name in attempts["exception"] if name)
    for name, rows in failures.most_common(5):
        assert f"{name} {rows}" in shown


@pytest.mark.parametrize(("part", "tokens"), [("response", 120), ("tests", 100)])
def test_a_reason_opens_on_the_model_s_own_words(
    page: Path, demo_store: Path, browser: Browser, part: str, tokens: int
) -> None:
    reason = f"cut-off-{part}"
    rejected = line(demo_store, versions(demo_store)[0])["responses"].path / "rejected"
    rows = {row["id"]: row for row in pq.read_table(rejected).to_pylist() if row["reject_reason"] == reason}
    opened = browser.page(page)
    shown = opened.value(
        f'[...document.querySelectorAll("#reason-responses-{reason} .entry")]'
        """.map((entry) => ({
            id: entry.querySelector(".copy").dataset.copy.split(" ").at(-1),
            panels: Object.fromEntries([...entry.querySelectorAll("section.panel")].map((panel) =>
                [panel.querySelector("h5").textContent, panel.textContent])),
        }))"""
    )
    assert shown
    for entry in shown:
        completion = entry["panels"]["Completion as it came"]
        row = rows[entry["id"]]
        # The last completion is that of the part; the fences around the tests are not the model's.
        assert row[part].removeprefix("```python\n").removesuffix("\n```") in completion
        assert f"{tokens} tokens" in completion
        assert "was cut off at max_tokens" in completion
    opened.value(f"document.querySelector('.fallen a[href=\"#reason-responses-{reason}\"]').click()")
    assert opened.value(f'document.getElementById("reason-responses-{reason}").open')


def test_search_and_keys(page: Path, browser: Browser) -> None:
    opened = browser.page(page)
    visible = '[...document.querySelectorAll(".entry")].filter((entry) => entry.checkVisibility()).length'
    everything = opened.value(visible)
    opened.press("/")
    opened.press(*"nameerror")
    found = opened.value('[...document.querySelectorAll(".entry:not(.missed)")].map((entry) => entry.textContent)')
    assert 0 < len(found) < opened.value('document.querySelectorAll(".entry").length')
    assert all("nameerror" in text.lower() for text in found)
    assert opened.value('document.getElementById("hits").textContent').startswith(f"{len(found)} of ")
    assert not opened.value('document.getElementById("funnel").checkVisibility()')
    opened.press("Escape")
    assert opened.value(visible) == everything
    assert opened.value('document.getElementById("funnel").checkVisibility()')
    opened.value('document.querySelector("#rows .entry > summary").focus()')
    opened.press("j", "Enter")
    assert opened.value('document.getElementById("row-2").open')
    opened.press("k")
    assert opened.value("document.activeElement.parentElement.id") == "row-1"
    opened.value('document.querySelector(".landscape g").focus()')
    concept = opened.value('document.querySelector(".landscape g").dataset.search')
    opened.press("Enter")
    assert opened.value('document.getElementById("search").value') == concept


@pytest.mark.parametrize("dark", [False, True])
def test_it_can_be_read_by_day_and_by_night_on_a_phone(page: Path, browser: Browser, dark: bool) -> None:
    opened = browser.page(page, width=390, dark=dark)
    opened.value('document.querySelectorAll("details").forEach((details) => { details.open = true; })')
    assert opened.value("document.documentElement.scrollWidth") <= 390
    ratios = opened.value(
        """(() => {
            const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
            const light = (color) => {
                canvas.fillStyle = color;
                canvas.fillRect(0, 0, 1, 1);
                const [red, green, blue] = [...canvas.getImageData(0, 0, 1, 1).data].map((part) => part / 255)
                    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
                return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
            };
            const behind = (part) => {
                for (; part; part = part.parentElement) {
                    const color = getComputedStyle(part).backgroundColor;
                    if (!color.startsWith("rgba(0, 0, 0, 0")) return color;
                }
            };
            const kinds = ["h1", "h1 em", ".lede", ".about", ".tiles small", ".fallen a", ".meaning", ".chip.rejected",
                ".chip.kept", ".facts dt", "pre.code", "pre.code .k", "pre.code .s", "pre.code .f", "td", ".entry-id"];
            return kinds.map((kind) => {
                const part = document.querySelector(`main ${kind}`);
                const pair = [light(getComputedStyle(part).color), light(behind(part))].sort((one, two) => two - one);
                return [kind, (pair[0] + 0.05) / (pair[1] + 0.05)];
            });
        })()"""
    )
    assert not [pair for pair in ratios if pair[1] < 4.5]  # WCAG 2.2, level AA
    background = "getComputedStyle(document.body).backgroundColor"
    before = opened.value(background)
    opened.press("t")
    assert opened.value(background) != before


def test_concepts_lie_side_by_side(page: Path, browser: Browser) -> None:
    circles = browser.page(page).value(
        """[...document.querySelectorAll(".landscape circle")]
            .map((circle) => ["cx", "cy", "r"].map((name) => Number(circle.getAttribute(name))))"""
    )
    assert len(circles) > 10
    for number, (x, y, radius) in enumerate(circles):
        assert radius <= x <= 1000 - radius
        assert radius <= y <= 560 - radius
        for other_x, other_y, other_radius in circles[:number]:
            assert ((x - other_x) ** 2 + (y - other_y) ** 2) ** 0.5 > 0.97 * (radius + other_radius)


def test_two_runs_side_by_side(demo_store: Path, tmp_path: Path, browser: Browser) -> None:
    first, second = versions(demo_store)
    names = [f"demo-sft/{version.fingerprint}" for version in (second, first)]
    opened = browser.page(written(demo_store, tmp_path / "report.html", names[0], "--against", names[1]))
    assert opened.messages == []
    figures = opened.value(FIGURES)
    for prefix, version in (("before", first), ("now", second)):
        counts = expected(funnel(version))
        for name in ("select.judged", "select.kept", "sft.kept", "seeds.kept"):
            assert figures[f"{prefix}.{name}"] == counts[name]
    rejected = next(counts["rejected"] for counts in funnel(second) if counts["stage"] == "select")
    assert {name: figures[f"now.select.rejected.{name}"] for name in rejected} == rejected
    shown = opened.value('document.getElementById("comparison").textContent')
    assert "recipe.select.max_instruction_words" in shown
    assert "recipe.responses" not in shown
    assert opened.value('document.querySelectorAll("#passes .before").length') > 5


def test_what_a_model_wrote_is_text(store: Path, tmp_path: Path, browser: Browser) -> None:
    for folder in store.glob("demo-*/*/*/"):
        for file in folder.glob("*.parquet") if not folder.parent.is_symlink() else ():
            rows = pq.read_table(file)
            for name in {"seed", "instruction", "response", "tests", "name", "path", "exception"} & set(
                rows.column_names
            ):
                hostile = pc.binary_join_element_wise(rows[name], pa.scalar(HOSTILE), "\n\0\u2028")
                rows = rows.set_column(rows.column_names.index(name), name, hostile)
            if "concepts" in rows.column_names:
                column = pa.array([[HOSTILE, "'\"><b>"]] * len(rows), rows.schema.field("concepts").type)
                rows = rows.set_column(rows.column_names.index("concepts"), "concepts", column)
            pq.write_table(rows, file)
    opened = browser.page(written(store, tmp_path / "report.html"))
    opened.value('document.querySelectorAll("details").forEach((details) => { details.open = true; })')
    assert opened.messages == []
    assert "taken" not in opened.value("document.title")
    assert opened.value('document.querySelectorAll("main script, main img").length') == 0
    assert "document.title = 'taken'" in opened.value('document.querySelector("#rows .entry").textContent')


def test_parts_of_a_run_and_old_versions(store: Path, tmp_path: Path, browser: Browser) -> None:
    seeds = browser.page(written(store, tmp_path / "seeds.html", "demo-seeds"))
    assert seeds.messages == []
    assert seeds.value('document.getElementById("passes")') is None
    assert seeds.value('document.querySelectorAll("#rows .entry").length') == 40
    for lineage in store.glob("demo-*/*/lineage.json"):
        if not lineage.parent.is_symlink():
            facts = json.loads(lineage.read_text())
            for name in ("recipe", "intent", "tokens", "packages", "command", "sca_hf"):
                facts.pop(name)
            lineage.write_text(json.dumps(facts))
            (lineage.parent / "timings.json").unlink()
            shutil.rmtree(lineage.parent / "measurements", ignore_errors=True)
    shutil.rmtree(store / "demo-concepts")  # so the versions before it can't be reached either
    (store / "journal.sqlite").unlink()
    old = browser.page(written(store, tmp_path / "old.html"))
    assert old.messages == []
    last = Store(store).latest("demo-sft")
    assert last is not None
    assert old.value(FIGURES) == expected(funnel(last))


def test_a_hundred_thousand_rows(store: Path, tmp_path: Path, browser: Browser) -> None:
    last = versions(store)[0]
    times = -(-100_000 // last.counts.kept)
    steps = line(store, last)
    for stage in ("execute", "select", "sft"):
        multiply(steps[stage], times)
    page = written(store, tmp_path / "large.html", f"demo-sft/{last.fingerprint}")
    assert page.stat().st_size < 15_000_000
    opened = browser.page(page)
    assert opened.messages == []
    assert opened.value(FIGURES)["sft.kept"] == times * last.counts.kept >= 100_000
    assert f"{times * steps['execute'].counts.kept:,} answers that ran" in opened.value("document.body.textContent")


def multiply(version: Version, times: int) -> None:
    """Make a version hold its kept rows so many times, each time with ids of their own."""
    lineage = json.loads((version.path / "lineage.json").read_text())
    for counts in (lineage["counts"], *lineage["funnel"]):
        counts |= {name: times * counts[name] for name in ("rows_in", "judged", "kept")}
        counts["rejected"] = {reason: times * rows for reason, rows in counts["rejected"].items()}
    (version.path / "lineage.json").write_text(json.dumps(lineage))
    for folder in ("data", "measurements"):
        for file in version.path.glob(f"{folder}/*.parquet"):
            rows = pq.read_table(file)
            beginnings = pa.array([f"{number:06x}" for number in range(times) for _ in range(len(rows))])
            copies = pa.concat_tables([rows] * times)
            for name in [name for name in rows.column_names if name == "id" or name.endswith("_id")]:
                ids = pc.binary_join_element_wise(beginnings, pc.utf8_slice_codeunits(copies[name], 6), "")
                copies = copies.set_column(copies.column_names.index(name), name, ids)
            pq.write_table(copies, file, compression="zstd", row_group_size=10_000)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--store", "nowhere"], ["there is no store nowhere", "--store"]),
        (["demo-nothing"], ["no version 'demo-nothing'", "demo-sft"]),
        (["--against", "demo-nothing"], ["no version 'demo-nothing'"]),
        (["--output", "missing/report.html"], ["missing/report.html", "can't be written"]),
    ],
)
def test_errors_name_the_fix(
    demo_store: Path, arguments: list[str], parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert report.main(["--store", str(demo_store), *arguments]) == 2
    said = " ".join(capsys.readouterr().err.split())
    for part in parts:
        assert part in said
