"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const SEVERITY = ["unknown", "low", "medium", "high", "critical"];
  const [SEV, KIND, ID, URL_, PACKAGE, INSTALLED, FIXED, PLACE, TITLE, SCORE, NEW, REASON, FIXABLE] = Array(13).keys();
  const PAGE = 200;
  const body = document.getElementById("rows");
  const search = document.getElementById("search");
  const fixable = document.getElementById("fixable");
  const fresh = document.getElementById("new");
  const shown = document.getElementById("shown");
  const more = document.getElementById("more");
  const chosen = new Set();
  let rows = data.rows;
  let order = null;
  let upwards = false;
  let limit = PAGE;

  const make = (name, text, kind) => {
    const element = document.createElement(name);
    if (kind) element.className = kind;
    if (text !== undefined) element.textContent = text;
    return element;
  };

  const draw = (row) => {
    const tr = make("tr");
    const word = SEVERITY[row[SEV]];
    const first = make("td");
    first.append(make("span", word, "badge " + word));
    const id = make("td", undefined, "id");
    if (row[URL_]) {
      const link = make("a", row[ID]);
      link.href = row[URL_];
      link.rel = "noopener noreferrer";
      id.append(link);
    } else id.textContent = row[ID];
    if (row[NEW]) id.append(" ", make("span", "new", "badge fresh"));
    const what = make("td", row[PACKAGE] || row[PLACE], "package");
    if (row[PACKAGE] && row[PLACE]) what.append(make("small", row[PLACE]));
    const fixed = make("td", row[FIXED], row[FIXABLE] ? "version fix" : "version");
    const title = make("td", row[TITLE], "title");
    if (row[REASON]) title.append(make("small", "set aside: " + row[REASON]));
    const score = make("td", row[SCORE] === null ? "" : row[SCORE].toFixed(1), "score");
    tr.append(first, id, what, make("td", row[INSTALLED], "version"), fixed, score, title);
    return tr;
  };

  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const source = document.getElementById("aside")?.checked ? data.aside : data.rows;
    rows = source.filter((row) =>
      (!chosen.size || chosen.has(row[SEV])) &&
      (!fixable.checked || row[FIXABLE]) &&
      (!fresh || !fresh.checked || row[NEW]) &&
      words.every((word) =>
        [ID, PACKAGE, INSTALLED, FIXED, PLACE, TITLE, KIND, REASON].some((n) => String(row[n]).toLowerCase().includes(word))));
    if (order !== null) {
      const sign = upwards ? 1 : -1;
      const text = new Intl.Collator("en", { numeric: true });
      rows = rows.slice().sort((a, b) => sign * (typeof a[order] === "number" || typeof b[order] === "number"
        ? (a[order] ?? -1) - (b[order] ?? -1) : text.compare(a[order], b[order])));
    }
    body.replaceChildren(...rows.slice(0, limit).map(draw));
    const seen = Math.min(limit, rows.length).toLocaleString("en");
    shown.textContent = `${seen} of ${rows.length.toLocaleString("en")} shown`;
    more.hidden = rows.length <= limit;
  };
  const anew = () => { limit = PAGE; show(); };

  for (const tile of document.querySelectorAll("button[data-severity]")) {
    tile.disabled = false;
    tile.addEventListener("click", () => {
      const severity = SEVERITY.indexOf(tile.dataset.severity);
      chosen.has(severity) ? chosen.delete(severity) : chosen.add(severity);
      tile.setAttribute("aria-pressed", String(chosen.has(severity)));
      anew();
    });
  }
  for (const head of document.querySelectorAll("th[data-column]")) {
    const button = head.querySelector("button");
    button.disabled = false;
    button.addEventListener("click", () => {
      const column = Number(head.dataset.column);
      upwards = order === column ? !upwards : column !== SEV && column !== SCORE;
      order = column;
      for (const other of document.querySelectorAll("th[data-column]")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", upwards ? "ascending" : "descending");
      anew();
    });
  }
  let waiting;
  search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(anew, 120); });
  for (const box of document.querySelectorAll("input[type=checkbox]")) box.addEventListener("change", anew);
  more.addEventListener("click", () => { limit += 5 * PAGE; show(); });
  document.documentElement.classList.add("scripted");
  show();
})();
