// Puts the page together, and again when another figure is chosen.

function fill(id, elements) {
  const section = document.getElementById(id);
  section.hidden = !elements.length;
  section.querySelector(".plots").replaceChildren(...elements);
}

function options(select, names, chosen) {
  select.append(...names.map((name) => make("option", name === chosen ? {selected: ""} : {}, name)));
}

function redrawHeat(facts, name) {
  const [across, down] = ["across", "down"].map((side) => document.querySelector(`#heat .${side}`).value);
  document.querySelector("#heat .plots").replaceChildren(...heatMap(facts, name, across, down));
}

function redraw(facts, name) {
  fill("scatter", scatters(facts, name));
  fill("parallel", parallel(facts, name));
  fill("importance", facts.parameters.length > 1 ? importances(facts, name) : []);
  fill("means", facts.has_seeds ? means(facts, name) : []);
  fill("curves", curves(facts, name));
  redrawHeat(facts, name);
}

function prepareHeat(facts, metric) {
  const keys = facts.parameters.map((each) => each.key);
  for (const [side, place] of [["across", 0], ["down", 1]]) {
    const select = document.querySelector(`#heat .${side}`);
    options(select, keys, keys[place]);
    select.addEventListener("change", () => redrawHeat(facts, metric.value));
  }
  document.getElementById("heat").hidden = keys.length < 2 || !facts.configurations.length;
  document.querySelector("#heat > p").hidden = keys.length < 3;
}

async function copy({target}) {
  if (!target.matches("button.copy")) return;
  const source = target.parentElement.querySelector("code");
  const before = target.textContent;
  try {
    await navigator.clipboard.writeText(target.dataset.command || source.textContent);
    target.textContent = "copied";
  } catch {  // no clipboard here: it is shown, to be copied by hand
    prompt("Copy the command", target.dataset.command || source.textContent);
  }
  setTimeout(() => { target.textContent = before; }, 1500);
}

function start() {
  const facts = JSON.parse(document.getElementById("facts").textContent);
  const metric = document.getElementById("metric");
  options(metric, facts.names, facts.metrics[0]);
  document.getElementById("chooser").hidden = !facts.names.length;
  prepareHeat(facts, metric);
  fill("pareto", facts.metrics.length > 1 ? paretoPlots(facts) : []);
  if (facts.names.length) redraw(facts, metric.value);
  buildTable(facts, document.getElementById("jobs"));
  metric.addEventListener("change", () => redraw(facts, metric.value));
  document.addEventListener("click", copy);
}

start();
