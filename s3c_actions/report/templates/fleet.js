"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const SEVERITY = ["critical", "high", "medium", "low", "unknown"];
  const [NAME, DIGEST, OWNER, STATE, REASON, REMEDY, SCANNED, AGE, FIXABLE, FINDINGS, SIGNER, ENDS, SOON, ADMISSION, DAYS, FIXED,
    EXPIRING, NAMES, CAUSE, PATCH, LOSSES] = Array(21).keys();
  const [RATED, ID, PACKAGE, VERSION, ADDRESS] = Array(5).keys();
  const FIRST_COUNT = 30;
  const PAGE = 100;
  const MORE = 500;
  const find = (id) => document.getElementById(id);
  const body = find("rows"), shown = find("shown"), more = find("more"), clear = find("clear");
  const controls = ["search", "finding", "owner", "state", "severity"].map(find);
  const [search, finding, owner, state, severity] = controls;
  const number = (value) => value.toLocaleString("en");
  const collator = new Intl.Collator("en", { numeric: true });
  const texts = data.rows.map((row) => [row[NAME], row[DIGEST], data.owners[row[OWNER]], row[REASON], ...row[NAMES]].join("\n").toLowerCase());
  const listed = data.findings.map((entry) => `${entry[ID]}\n${entry[PACKAGE]}`.toLowerCase());
  const tiles = [...document.querySelectorAll("button[data-filter]")];
  const TILES = {
    attention: (row) => data.states[row[STATE]][0] === "bad",
    CRITICAL: (row) => row[FIXABLE][0] > 0,
    HIGH: (row) => row[FIXABLE][1] > 0,
    patched: (row) => data.states[row[STATE]][2] === "patched",
    quiet: (row) => ["passed", "current"].includes(data.states[row[STATE]][2]),
    losing: (row) => row[LOSSES].length > 0,
    expiring: (row) => row[SOON] || row[EXPIRING].length > 0,
  };
  let tile = "", order = null, upwards = false, limit = PAGE, matching = null;

  const make = (name, text, kind) => {
    const element = document.createElement(name);
    if (kind) element.className = kind;
    if (text !== undefined) element.textContent = text;
    return element;
  };
  const cell = (text, kind, name) => {
    const element = make("td", text, kind);
    element.setAttribute("role", "cell");
    if (name) element.dataset.name = name;
    return element;
  };
  const age = (hours) => hours === null ? "–" : hours < 48 ? `${Math.max(0, Math.round(hours))} h` : `${number(Math.round(hours / 24))} d`;
  const describe = (entry) => {
    const line = make("li");
    line.append(make("span", SEVERITY[entry[RATED]], `badge ${SEVERITY[entry[RATED]]}`), " ");
    if (entry[ADDRESS]) {
      const link = make("a", entry[ID]);
      link.href = entry[ADDRESS];
      link.rel = "noopener noreferrer";
      line.append(link);
    } else line.append(entry[ID]);
    line.append(` ${entry[PACKAGE]}`, entry[VERSION] ? `, fixed in ${entry[VERSION]}` : ", no fix yet");
    return line;
  };
  const list = (places, kind) => {
    const element = make("ul", undefined, kind);
    element.append(...places.slice(0, 50).map((place) => describe(data.findings[place])));
    if (places.length > 50) element.append(make("li", `and ${number(places.length - 50)} more`));
    return element;
  };
  const details = (row) => {
    const fold = make("details");
    fold.append(make("summary", row[FINDINGS].length ? `${number(row[FINDINGS].length)} findings` : "details"));
    fold.addEventListener("toggle", () => {
      if (fold.childElementCount > 1) return;
      for (const name of row[NAMES]) fold.append(make("p", `also ${name}`));
      if (row[PATCH]) fold.append(make("p", `deploy ${row[PATCH]}`));
      if (row[SCANNED]) fold.append(make("p", `report of ${row[SCANNED]} UTC`));
      if (row[FIXED]) fold.append(make("p", `${number(row[FIXED])} findings fixed in this run`));
      for (const text of row[LOSSES]) fold.append(make("p", `refused from ${text}`));
      for (const text of row[EXPIRING]) fold.append(make("p", `accepted: ${text}`));
      if (row[FINDINGS].length) fold.append(list(row[FINDINGS]));
    });
    return fold;
  };
  const draw = (row) => {
    const [tone, mark, word] = data.states[row[STATE]];
    const line = make("tr");
    line.setAttribute("role", "row");
    const image = cell(row[NAME], "image");
    image.append(make("small", row[DIGEST], "mono"));
    if (matching) image.append(list(row[FINDINGS].filter((place) => matching[place]), "matches"));
    if (row[FINDINGS].length || row[NAMES].length || row[SCANNED]) image.append(details(row));
    const status = cell(undefined, `state ${tone}`);
    status.append(make("b", `${mark} ${word}`));
    if (row[REASON]) status.append(make("small", row[REASON]));
    if (row[REMEDY]) status.append(make("small", `Next: ${row[REMEDY]}`));
    if (row[EXPIRING].length) status.append(make("small", `${row[EXPIRING].length} accepted until soon`, "soon"));
    if (row[LOSSES].length) status.append(make("small", `refused from ${row[LOSSES][0]}`, "soon"));
    const signature = cell(row[SIGNER] === null ? "–" : "signed", "signature", "Signature");
    if (row[SIGNER]) signature.append(make("small", row[SIGNER]));
    if (row[SOON]) signature.append(make("small", `ends ${row[ENDS]}`, "soon"));
    line.append(
      image, cell(data.owners[row[OWNER]] || "–", "owner", "Owner"), status, cell(age(row[AGE]), "age nowrap", "Report"),
      ...row[FIXABLE].map((count, place) => cell(count === null ? "–" : number(count), `number ${SEVERITY[place]}${count ? " some" : ""}`,
        SEVERITY[place][0].toUpperCase() + SEVERITY[place].slice(1))),
      signature, cell(row[ADMISSION] || "–", "admission", "Admission"),
      cell(row[DAYS] === null ? "" : number(Math.round(row[DAYS])), "number", "Days to fix"));
    return line;
  };

  const value = (row) => order >= FIRST_COUNT ? row[FIXABLE][order - FIRST_COUNT] : order === OWNER ? data.owners[row[OWNER]] : row[order];
  const compare = (a, b) => {
    const [left, right] = [value(a), value(b)];
    if (typeof left === "string" && typeof right === "string") return collator.compare(left, right);
    return (left ?? -1) - (right ?? -1);
  };
  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const wanted = finding.value.toLowerCase().split(/\s+/).filter(Boolean);
    matching = wanted.length ? listed.map((text) => wanted.every((word) => text.includes(word))) : null;
    const rows = data.rows.filter((row, place) =>
      (!tile || (TILES[tile] ? TILES[tile](row) : row[CAUSE] === Number(tile))) &&
      (owner.value === "" || row[OWNER] === Number(owner.value)) &&
      (state.value === "" || row[STATE] === Number(state.value)) &&
      (severity.value === "" || row[FIXABLE].slice(0, Number(severity.value) + 1).some((count) => count > 0)) &&
      (!matching || row[FINDINGS].some((index) => matching[index])) &&
      words.every((word) => texts[place].includes(word)));
    if (order !== null) rows.sort((a, b) => (upwards ? 1 : -1) * compare(a, b));
    body.replaceChildren(...rows.slice(0, limit).map(draw));
    const filtered = rows.length !== data.rows.length;
    shown.textContent = `${number(Math.min(limit, rows.length))} of ${number(rows.length)} shown` +
      (filtered ? ` (${number(data.rows.length)} without the filters)` : "");
    clear.hidden = !tile && controls.every((control) => !control.value);
    const left = rows.length - limit;
    more.hidden = left <= 0;
    more.textContent = left <= MORE ? `Show the other ${number(left)}` : `Show ${number(MORE)} more`;
  };
  const anew = () => { limit = PAGE; show(); };
  const choose = (name) => {
    tile = name;
    for (const button of tiles) button.setAttribute("aria-pressed", String(button.dataset.filter === name));
  };
  const goTo = () => { anew(); find("images").scrollIntoView(); };

  for (const button of tiles) {
    if (button.classList.contains("none")) continue;
    button.disabled = false;
    button.addEventListener("click", () => {
      choose(tile === button.dataset.filter ? "" : button.dataset.filter);
      anew();
      if (tile) find("images").scrollIntoView();
    });
  }
  for (const button of document.querySelectorAll("button.pick:not([data-filter])")) {
    button.disabled = false;
    button.addEventListener("click", () => {
      if (button.dataset.owner !== undefined) owner.value = button.dataset.owner;
      else finding.value = button.dataset.finding;
      goTo();
    });
  }
  for (const head of document.querySelectorAll("th[data-column]")) {
    const button = head.querySelector("button");
    button.disabled = false;
    button.addEventListener("click", () => {
      const column = Number(head.dataset.column);
      upwards = order === column ? !upwards : ![AGE, DAYS].includes(column) && column < FIRST_COUNT;
      order = column;
      for (const other of document.querySelectorAll("th[data-column]")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", upwards ? "ascending" : "descending");
      anew();
    });
  }
  let waiting;
  for (const control of controls) control.addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(anew, 120); });
  clear.addEventListener("click", () => { for (const control of controls) control.value = ""; choose(""); anew(); search.focus(); });
  more.addEventListener("click", () => { limit += MORE; show(); });
  document.documentElement.classList.add("scripted");
  show();
})();
