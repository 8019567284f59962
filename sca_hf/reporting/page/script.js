"use strict";
// All that the page shows is there without this script; it adds search, keys, and the choice of light or dark.
(() => {
  const root = document.documentElement;
  const search = document.getElementById("search");
  const hits = document.getElementById("hits");
  const entries = [...document.querySelectorAll(".entry")];
  const texts = new Map();
  const opened = new Set(); // reasons that were opened for a search, to be closed after it

  const textOf = (entry) => {
    if (!texts.has(entry)) {
      const reason = entry.closest(".reason");
      texts.set(entry, `${reason ? reason.id : ""} ${entry.textContent}`.toLowerCase());
    }
    return texts.get(entry);
  };

  function find() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const searching = words.length > 0;
    document.body.classList.toggle("searching", searching);
    let found = 0;
    for (const entry of entries) {
      const hit = !searching || words.every((word) => textOf(entry).includes(word));
      entry.classList.toggle("missed", !hit);
      found += hit;
    }
    for (const reason of document.querySelectorAll(".reason")) {
      const holds = reason.querySelector(".entry:not(.missed)") !== null;
      reason.classList.toggle("missed", searching && !holds);
      if (searching && holds && !reason.open) { reason.open = true; opened.add(reason); }
    }
    if (!searching) { opened.forEach((reason) => { reason.open = false; }); opened.clear(); }
    hits.hidden = !searching;
    hits.textContent = searching ? `${found} of ${entries.length} rows on this page` : "";
    mark(words);
  }

  function mark(words) {
    if (!CSS.highlights) return;
    CSS.highlights.delete("hits");
    const ranges = [];
    for (const entry of words.length ? entries : []) {
      if (entry.classList.contains("missed")) continue;
      const walker = document.createTreeWalker(entry, NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node && ranges.length < 2000; node = walker.nextNode()) {
        const text = node.data.toLowerCase();
        for (const word of words) {
          for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + word.length)) {
            const range = new Range();
            range.setStart(node, at);
            range.setEnd(node, Math.min(at + word.length, node.length));
            ranges.push(range);
          }
        }
      }
    }
    if (ranges.length) CSS.highlights.set("hits", new Highlight(...ranges));
  }

  function searchFor(text) {
    search.value = text;
    find();
    document.getElementById("rows").scrollIntoView();
  }

  // Rows that can be seen, in the order of the page; a row in a closed reason can't.
  const visible = () => [...document.querySelectorAll(".entry > summary, .reason > summary")].filter((summary) => summary.checkVisibility());

  function step(by) {
    const all = visible();
    const place = all.indexOf(document.activeElement);
    const first = all.findIndex((summary) => summary.getBoundingClientRect().top > 100);
    const next = all[place < 0 ? Math.max(first, 0) : place + by];
    if (next) { next.focus({ preventScroll: true }); next.scrollIntoView({ block: "center" }); }
  }

  function open(id) {
    const target = id && document.getElementById(id);
    for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
    if (target) target.scrollIntoView({ behavior: "instant" });
  }

  function turn() {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("sca-hf-theme", root.dataset.theme); } catch { /* a page without storage forgets it */ }
  }

  try { const theme = localStorage.getItem("sca-hf-theme"); if (theme) root.dataset.theme = theme; } catch { /* see above */ }

  search.addEventListener("input", find);
  document.getElementById("theme").addEventListener("click", turn);
  document.addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-search], [data-copy]");
    if (!chosen) return;
    if (chosen.dataset.search !== undefined) return searchFor(chosen.dataset.search);
    navigator.clipboard?.writeText(chosen.dataset.copy).then(() => {
      chosen.textContent = "copied";
      setTimeout(() => { chosen.textContent = "copy"; }, 1500);
    });
  });
  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input");
    if (event.key === "Escape") { search.value = ""; find(); search.blur(); return; }
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const keys = { "/": () => search.focus(), j: () => step(1), k: () => step(-1), t: turn };
    const chosen = event.target.closest("g[data-search]");
    if (chosen && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); searchFor(chosen.dataset.search); }
    if (keys[event.key]) { event.preventDefault(); keys[event.key](); }
  });
  addEventListener("hashchange", () => open(decodeURIComponent(location.hash.slice(1))));
  open(decodeURIComponent(location.hash.slice(1)));

  const links = new Map([...document.querySelectorAll(".top nav a")].map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((changes) => {
    for (const change of changes) {
      if (!change.isIntersecting) continue;
      links.forEach((link) => link.removeAttribute("aria-current"));
      links.get(change.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-30% 0px -65% 0px" });
  document.querySelectorAll("main > section[id]").forEach((section) => seen.observe(section));
})();
