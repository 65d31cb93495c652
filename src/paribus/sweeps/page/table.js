// The table of all jobs: sorted by a click on a header, filtered by words.

function columnsOf(facts) {
  const shown = facts.names.filter((name) => facts.metrics.includes(name) || name.startsWith("test/"));
  const keys = [...facts.parameters.map((each) => each.key), ...(facts.has_seeds ? ["seed"] : [])];
  return [
    {name: "job", value: (job) => job.number, href: (job) => `${job.folder}/`},
    {name: "state", value: (job) => job.state, kind: (job) => `state ${job.state}`},
    ...keys.map((key) => ({name: key, value: (job) => job.values[key]})),
    ...shown.map((name) => ({name, value: (job) => job.figures[name], write: measured})),
    {name: "epochs", value: (job) => job.epochs},
    {name: "seconds", value: (job) => job.seconds && Math.round(job.seconds * 10) / 10},
    {name: "error", value: (job) => job.error, kind: () => "error"},
  ].filter((column) => column.name !== "error" || facts.jobs.some((job) => job.error));
}

function cell(column, job) {
  const value = column.value(job), isNumber = typeof value === "number";
  const text = value === undefined || value === null ? "" : isNumber ? (column.write || written)(value) : value;
  const kind = column.kind ? column.kind(job) : isNumber ? "number" : "";
  return make("td", {class: kind}, column.href ? make("a", {href: encodeURI(column.href(job))}, text) : text);
}

function copies(job) {
  const looks = {type: "button", class: "copy", "data-command": job.command, title: job.command};
  return make("td", {class: "copies"}, make("button", looks, "copy command"));
}

// Numbers by size, texts by letters, nothing at the end whichever way.
function compared(one, other, sign) {
  const isMissing = [one, other].map((value) => value === undefined || value === null);
  if (isMissing[0] || isMissing[1]) return isMissing[0] - isMissing[1];
  if (typeof one === "number" && typeof other === "number") return sign * (one - other);
  return sign * String(one).localeCompare(String(other), "en", {numeric: true});
}

function buildTable(facts, host) {
  const [head, body] = [host.querySelector("thead"), host.querySelector("tbody")];
  const rows = facts.jobs.map((job) => ({job, row: make("tr", {})}));
  const columns = columnsOf(facts);
  for (const {job, row} of rows) {
    row.append(...columns.map((column) => cell(column, job)), copies(job));
    body.append(row);
  }
  const headers = columns.map((column) => {
    const isNumber = facts.jobs.some((job) => typeof column.value(job) === "number");
    const header = make("th", {scope: "col", class: isNumber ? "number" : ""}, make("button", {type: "button"}, column.name));
    header.firstChild.addEventListener("click", () => sortBy(column, header, headers, rows, body));
    return header;
  });
  head.append(make("tr", {}, ...headers, make("th", {class: "copies"})));
  connectFilter(rows, host);
}

function sortBy(column, header, headers, rows, body) {
  const isUp = header.getAttribute("aria-sort") !== "ascending";
  for (const each of headers) each.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", isUp ? "ascending" : "descending");
  rows.sort((one, other) => compared(column.value(one.job), column.value(other.job), isUp ? 1 : -1));
  body.append(...rows.map(({row}) => row));
}

function connectFilter(rows, host) {
  const [field, said] = [host.querySelector("#filter"), host.querySelector("#shown")];
  const textOf = (row) => [...row.cells].slice(0, -1).map((each) => each.textContent).join(" ").toLowerCase();
  const texts = new Map(rows.map(({row}) => [row, textOf(row)]));
  const filter = () => {
    const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    for (const {row} of rows) row.hidden = !words.every((word) => texts.get(row).includes(word));
    said.textContent = `${rows.filter(({row}) => !row.hidden).length} of ${rows.length}`;
  };
  field.addEventListener("input", filter);
  filter();
}
