"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const SEVERITY = ["unknown", "low", "medium", "high", "critical"];
  const [SEV, KIND, ID, URL_, PACKAGE, INSTALLED, FIXED, PLACE, TITLE, SCORE, NEW, REASON, FIXABLE, SINCE, EPSS, OWN, DEMAND] =
    Array(17).keys();
  const PAGE = 200;
  const MORE = 1000;
  const body = document.getElementById("rows");
  const search = document.getElementById("search");
  const fixable = document.getElementById("fixable");
  const exploited = document.getElementById("exploited");
  const fresh = document.getElementById("new");
  const own = document.getElementById("own");
  const shown = document.getElementById("shown");
  const buttons = [...document.querySelectorAll("button.rest")];
  const LONGEST = Number(document.documentElement.dataset.longest);
  const columns = [...document.querySelectorAll("th[data-column]")].map((head) => Number(head.dataset.column));
  const number = (value) => value.toLocaleString("en");
  const percent = (value) => (value >= 1 || !value ? value.toFixed(1) : Number(Math.max(value, 0.01).toPrecision(2))) + "%";
  const chosen = new Set();
  let rows = data.rows;
  let order = null;
  let upwards = false;
  let limit = PAGE;

  const make = (name, text, kind) => {
    const element = document.createElement(name);
    if (kind) element.className = kind;
    if (name === "td") element.setAttribute("role", "cell");
    if (text !== undefined) element.textContent = text;
    return element;
  };

  const versions = (text, kind, name) => {
    const cell = make("td", undefined, kind);
    cell.dataset.name = name;
    // A version breaks nowhere: lines end between two of them. A very long one may, or its row would never end.
    text.split(", ").filter(Boolean).forEach((version, place) => {
      if (place) cell.append(", ");
      cell.append(make("span", version, version.length <= LONGEST ? "whole" : ""));
    });
    return cell;
  };

  const CELLS = {
    [SEV]: (row) => {
      const cell = make("td", undefined, "severity");
      cell.append(make("span", SEVERITY[row[SEV]], "badge " + SEVERITY[row[SEV]]));
      return cell;
    },
    [ID]: (row) => {
      const cell = make("td", undefined, "id");
      if (row[URL_]) {
        const link = make("a", row[ID]);
        link.href = row[URL_];
        link.rel = "noopener noreferrer";
        cell.append(link);
      } else cell.textContent = row[ID];
      if (row[NEW]) cell.append(" ", make("span", "new", "badge fresh"));
      return cell;
    },
    [PACKAGE]: (row) => {
      const cell = make("td", row[PACKAGE] || row[PLACE], "package");
      if (row[PACKAGE] && row[PLACE]) cell.append(make("small", row[PLACE]));
      return cell;
    },
    [INSTALLED]: (row) => versions(row[INSTALLED], "version", "Installed"),
    [FIXED]: (row) => versions(row[FIXED], row[FIXABLE] ? "version fix" : "version", "Fixed in"),
    [SCORE]: (row) => {
      const cell = make("td", row[SCORE] === null ? "" : row[SCORE].toFixed(1), "score");
      cell.dataset.name = "CVSS";
      return cell;
    },
    [SINCE]: (row) => {
      const cell = make("td", undefined, "exploited");
      if (row[SINCE]) {
        const badge = make("span", "exploited", "badge attacked");
        badge.title = "listed by CISA on " + row[SINCE];
        cell.append(badge, make("small", row[SINCE]));
        if (row[DEMAND]) cell.append(make("small", row[DEMAND]));
      }
      return cell;
    },
    [EPSS]: (row) => {
      const cell = make("td", row[EPSS] === null ? "" : percent(row[EPSS] * 100), "score");
      cell.dataset.name = "EPSS";
      return cell;
    },
    [TITLE]: (row) => {
      const cell = make("td", row[TITLE], "title");
      if (row[REASON]) cell.append(make("small", "set aside: " + row[REASON]));
      return cell;
    },
  };

  const draw = (row) => {
    const line = make("tr");
    line.setAttribute("role", "row");
    line.append(...columns.map((column) => CELLS[column](row)));
    return line;
  };

  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const source = document.getElementById("aside")?.checked ? data.aside : data.rows;
    rows = source.filter((row) =>
      (!chosen.size || chosen.has(row[SEV])) &&
      (exploited?.getAttribute("aria-pressed") !== "true" || row[SINCE]) &&
      (!fixable.checked || row[FIXABLE]) &&
      (!fresh || !fresh.checked || row[NEW]) &&
      (!own || !own.checked || row[OWN]) &&
      words.every((word) =>
        [ID, PACKAGE, INSTALLED, FIXED, PLACE, TITLE, KIND, REASON].some((n) => String(row[n]).toLowerCase().includes(word))));
    if (order !== null) {
      const sign = upwards ? 1 : -1;
      const text = new Intl.Collator("en", { numeric: true });
      rows = rows.slice().sort((a, b) => sign * (typeof a[order] === "number" || typeof b[order] === "number"
        ? (a[order] ?? -1) - (b[order] ?? -1) : text.compare(a[order], b[order])));
    }
    body.replaceChildren(...rows.slice(0, limit).map(draw));
    const all = rows.length === source.length ? "" : ` (${number(source.length)} without the filters)`;
    shown.textContent = `${number(Math.min(limit, rows.length))} of ${number(rows.length)} shown${all}`;
    const left = rows.length - limit;
    for (const button of buttons) {
      button.hidden = left <= 0;
      button.textContent = left <= MORE ? `Show the other ${number(left)}` : `Show ${number(MORE)} more`;
    }
  };
  const anew = () => { limit = PAGE; show(); };

  for (const tile of document.querySelectorAll("button[data-severity]")) {
    if (tile.classList.contains("none")) continue;
    tile.disabled = false;
    tile.addEventListener("click", () => {
      const severity = SEVERITY.indexOf(tile.dataset.severity);
      chosen.has(severity) ? chosen.delete(severity) : chosen.add(severity);
      tile.setAttribute("aria-pressed", String(chosen.has(severity)));
      anew();
    });
  }
  if (exploited && !exploited.classList.contains("none")) {
    exploited.disabled = false;
    exploited.addEventListener("click", () => {
      exploited.setAttribute("aria-pressed", String(exploited.getAttribute("aria-pressed") !== "true"));
      anew();
    });
  }
  for (const head of document.querySelectorAll("th[data-column]")) {
    const button = head.querySelector("button");
    button.disabled = false;
    button.addEventListener("click", () => {
      const column = Number(head.dataset.column);
      upwards = order === column ? !upwards : ![SEV, SCORE, SINCE, EPSS].includes(column);
      order = column;
      for (const other of document.querySelectorAll("th[data-column]")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", upwards ? "ascending" : "descending");
      anew();
    });
  }
  let waiting;
  search.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(anew, 120); });
  for (const box of document.querySelectorAll("input[type=checkbox]")) box.addEventListener("change", anew);
  for (const button of buttons) button.addEventListener("click", () => { limit += MORE; show(); });
  document.documentElement.classList.add("scripted");
  show();
})();
