const {columns, rows} = content;
const WORST_FIRST = "worst first", SENTENCES = ["reasons", "error"];
const state = {verdict: "all", search: "", column: WORST_FIRST, reversed: false, layout: "table", most: 250};
const title = (column) => column.replaceAll("_", " ");
const FIRST = ["id", "verdict", ...SENTENCES];  // of the table's columns; the others as in summary.csv
const filled = [...new Set([...FIRST, ...Object.keys(columns)])].filter((column) => rows.some((row) => isSet(row[column])));
const numeric = new Set(filled.filter((column) => rows.every((row) => !isSet(row[column]) || typeof row[column] === "number")));

function isSet(value) { return value !== undefined && value !== ""; }

/** What became of a pair: its verdict, or why it has none. */
const standing = (row) => row.status === "done" ? row.verdict || "done" : row.status;
const count = (name) => rows.filter((row) => standing(row) === name).length;
const badge = (row) => make("span", {className: `verdict ${standing(row)}`, textContent: `${SIGNS[standing(row)] ?? ""} ${standing(row)}`});

/** The rows to show: those that are asked for, in order; where a number is missing comes last. */
function select() {
  const wanted = state.search.toLowerCase();
  const found = rows.filter((row) => (state.verdict === "all" || standing(row) === state.verdict)
    && filled.some((column) => String(row[column] ?? "").toLowerCase().includes(wanted)));
  const sign = state.reversed ? -1 : 1, key = (row) => row[state.column];
  if (state.column === WORST_FIRST) return state.reversed ? found.reverse() : found;
  return found.sort((a, b) => {
    if (!isSet(key(a)) || !isSet(key(b))) return isSet(key(b)) - isSet(key(a));
    return sign * (numeric.has(state.column) ? key(a) - key(b) : String(key(a)).localeCompare(String(key(b)), "en", {numeric: true}));
  });
}

const folder = (row) => encodeURIComponent(row.id);
const link = (row, ...children) => row.status === "done" ? make("a", {href: `${folder(row)}/report.html`}, ...children) : make("span", {}, ...children);

function cell(row, column) {
  if (column === "id") return make("th", {scope: "row"}, link(row, row.id));
  if (column === "verdict") return make("td", {}, badge(row));
  const value = String(row[column] ?? "");
  return make("td", {}, SENTENCES.includes(column) ? make("div", {className: "text", textContent: value}) : value);
}

function card(row) {
  const made = make("article");
  if (row.status === "done") {
    const alt = `moving image, target and warped image of ${row.id}`;
    made.append(link(row, make("img", {loading: "lazy", src: `${folder(row)}/report.png`, alt})));
  }
  made.append(make("p", {}, badge(row), " ", link(row, row.id)));
  const said = ["overlap", "mismatch_ratio", "folded_voxels"].filter((name) => isSet(row[name])).map((name) => `${title(name)} ${row[name]}`);
  for (const text of [said.join(", "), row.reasons, row.error]) if (text) made.append(make("p", {className: "dim", textContent: text}));
  return made;
}

function show() {
  const chosen = select(), found = chosen.slice(0, state.most), table = state.layout === "table";
  element("rows").replaceChildren(...(table ? found.map((row) => make("tr", {}, ...filled.map((column) => cell(row, column)))) : []));
  element("pictures").replaceChildren(...(table ? [] : found.map(card)));
  element("table").hidden = !table;
  element("pictures").hidden = table;
  element("count").textContent = `${found.length} of ${rows.length} pairs shown`;
  element("more").hidden = found.length === chosen.length;
  element("column").value = state.column;
  element("turn").setAttribute("aria-pressed", state.reversed);
  for (const head of element("head").children) {
    if (head.dataset.column === state.column) head.setAttribute("aria-sort", state.reversed ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  }
}

function sortBy(column, reversed) { Object.assign(state, {column, reversed}); show(); }

function radios(place, names, chosen, choose) {
  for (const [name, words] of names) {
    const input = make("input", {type: "radio", name: place, value: name, checked: name === chosen});
    input.addEventListener("change", () => { choose(name); show(); });
    element(place).append(make("label", {className: "chip"}, input, words));
  }
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b), half = sorted.length / 2;
  return (sorted[Math.floor(half - 0.5)] + sorted[Math.floor(half)]) / 2;
}

function totals() {
  const numbers = (column) => rows.map((row) => row[column]).filter((value) => typeof value === "number");
  const folding = numbers("folded_voxels"), shown = [];
  for (const column of ["overlap", "mismatch_ratio", "largest_displacement_mm", "seconds"])
    if (numbers(column).length) shown.push([`median ${title(column)}`, median(numbers(column)).toPrecision(3)]);
  if (folding.length) shown.push(["pairs with folds", folding.filter((voxels) => voxels > 0).length]);
  for (const [name, value] of shown)
    element("totals").append(make("div", {}, make("dt", {textContent: name}), make("dd", {textContent: value})));
}

function main() {
  element("title").textContent = `${rows.filter((row) => row.status === "done").length} of ${rows.length} pairs registered`;
  const standings = ["failed", "missing", "doubtful", "good", "done"].filter((name) => count(name) > 0);
  totals();
  radios("verdicts", [["all", `all ${rows.length}`], ...standings.map((name) => [name, `${SIGNS[name] ?? ""} ${name} ${count(name)}`])],
         state.verdict, (name) => { state.verdict = name; });
  radios("layouts", [["table", "table"], ["pictures", "pictures"]], state.layout, (name) => { state.layout = name; });
  for (const column of [WORST_FIRST, ...filled]) element("column").append(make("option", {value: column, textContent: title(column)}));
  for (const column of filled) {
    const button = make("button", {textContent: title(column)});
    button.addEventListener("click", () => sortBy(column, state.column === column && !state.reversed));
    const head = make("th", {scope: "col"}, button);
    head.dataset.column = column;
    element("head").append(head);
    element("meanings").append(make("div", {}, make("dt", {textContent: title(column)}), make("dd", {textContent: columns[column]})));
  }
  element("search").addEventListener("input", (event) => { state.search = event.target.value; show(); });
  element("column").addEventListener("change", (event) => sortBy(event.target.value, false));
  element("more").addEventListener("click", () => { state.most *= 4; show(); });
  element("turn").addEventListener("click", () => sortBy(state.column, !state.reversed));
  show();
  document.body.dataset.ready = "yes";
}
main();
