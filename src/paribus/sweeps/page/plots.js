// The plots. Each takes the facts and the figure's name and returns elements, or none where there is nothing to draw.

const MOST_MEANS = 20, MOST_CURVES = 5;
const COLOURS = ["first", "second", "third", "fourth", "fifth"];

function finished(facts, name) {
  return facts.jobs.filter((job) => job.state === "done" && name in job.figures);
}

function described(job, name) {
  const values = Object.entries(job.values).map(([key, value]) => `${key}=${typeof value === "number" ? written(value) : value}`).join(" ");
  return `job ${job.number} (${job.state}): ${values}\n${name} ${name in job.figures ? measured(job.figures[name]) : "-"}`;
}

function average(numbers) {
  return numbers.reduce((sum, number) => sum + number, 0) / numbers.length;
}

function grouped(items, keyOf) {
  const groups = new Map();
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) || []), item]);
  return groups;
}

function best(facts, name) {
  const order = facts.low_is_best[name] ? 1 : -1;
  return finished(facts, name).sort((one, other) => order * (one.figures[name] - other.figures[name]));
}

function scatters(facts, name) {
  return facts.parameters.map((parameter) => scatter(facts, name, parameter)).filter(Boolean);
}

function scatter(facts, name, parameter) {
  const {key} = parameter;
  const jobs = facts.jobs.filter((job) => key in job.values && name in job.figures);
  if (!jobs.length) return null;
  const area = plot({x: parameter, y: axisOf(jobs.map((job) => job.figures[name])), xName: key, yName: name});
  const first = best(facts, name).find((job) => key in job.values);
  const spread = parameter.categories ? Math.min(40, (area.width - 80) / parameter.categories.length) * 0.6 : 0;
  for (const job of [...jobs.filter((each) => each !== first), ...(first ? [first] : [])]) {
    const shift = spread * (((job.number * 0.618034) % 1) - 0.5);  // as good as random, and always the same
    const kind = job === first ? "best" : job.state === "done" ? "" : "faint";
    area.svg.append(withTitle(draw("circle", {class: `mark ${kind}`, r: job === first ? 5 : 3.5,
      cx: area.across(job.values[key]) + shift, cy: area.down(job.figures[name])}), described(job, name)));
  }
  addMeans(area, finished(facts, name).filter((job) => key in job.values), name, parameter);
  return make("figure", {}, area.svg);
}

function addMeans(area, jobs, name, {key, categories, listed}) {
  const groups = [...grouped(jobs, (job) => job.values[key])];
  if (groups.length < 2 || !(categories || listed)) return;
  const points = groups.map(([value, group]) =>
    [area.across(value), area.down(average(group.map((job) => job.figures[name])))]);
  points.sort((one, other) => one[0] - other[0]);
  if (!categories) area.svg.append(draw("polyline", {class: "mean", points: points.join(" ")}));
  for (const [x, y] of points) {
    area.svg.append(draw("line", {class: "mean tick-mean", x1: x - 12, x2: x + 12, y1: y, y2: y}));
  }
}

function importances(facts, name) {
  const {shares, remark} = facts.importance[name] || {shares: {}, remark: ""};
  const names = Object.keys(shares).reverse();
  const said = remark ? [make("p", {class: "remark across-all"}, remark)] : [];
  if (!names.length) return said;
  const area = plot({x: {low: 0, high: 1}, y: {categories: names}, xName: `share of ${name}`, yName: "",
    width: 560, height: 70 + 26 * names.length});
  for (const key of names) {
    const from = area.across(0);
    area.svg.append(draw("rect", {class: "bar", x: from, y: area.down(key) - 8, width: area.across(shares[key]) - from, height: 16}));
    area.svg.append(draw("text", {x: area.across(shares[key]) + 5, y: area.down(key) + 4}, shares[key].toFixed(2)));
  }
  return [make("figure", {class: "across-all"}, area.svg), ...said];
}

function means(facts, name) {
  const order = facts.low_is_best[name] ? 1 : -1;
  const known = facts.configurations.filter((each) => name in each.figures);
  known.sort((one, other) => order * (one.figures[name].mean - other.figures[name].mean));
  const shown = known.slice(0, MOST_MEANS);
  if (!shown.length) return [];
  const ends = shown.flatMap(({figures: {[name]: {mean, half}}}) => [mean - (half || 0), mean + (half || 0)]);
  const [left, row] = [Math.min(420, 20 + LETTER * Math.max(...shown.map((each) => each.label.length))), 22];
  const [width, height] = [Math.max(left + 420, Math.min(left + 700, room())), 30 + row * shown.length + 30];
  const axis = padded({low: Math.min(...ends), high: Math.max(...ends)});
  const across = (value) => left + share(axis, value) * (width - left - 190);
  const svg = draw("svg", {viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `means of ${name}`});
  for (const tick of ticksOf(axis)) {
    svg.append(draw("line", {class: "grid", x1: across(tick), x2: across(tick), y1: 20, y2: height - 26}));
    svg.append(draw("text", {class: "tick", x: across(tick), y: height - 10, "text-anchor": "middle"}, written(tick)));
  }
  svg.append(draw("text", {x: left, y: 12}, name));
  shown.forEach((each, place) => addMean(svg, each, name, across, 34 + place * row, [left, width]));
  const of = known.length > shown.length ? [make("figcaption", {}, `the best ${shown.length} of ${known.length}`)] : [];
  return [make("figure", {class: "across-all"}, svg, ...of)];
}

function addMean(svg, {label, jobs, figures}, name, across, y, [left, width]) {
  const {mean, half} = figures[name];
  const text = `${measured(mean)}${half === null ? "" : ` ± ${measured(half)}`}`;
  const named = shortened(label, Math.floor((left - 12) / LETTER));
  svg.append(withTitle(draw("text", {x: left - 10, y: y + 4, "text-anchor": "end"}, named), label));
  if (half !== null) svg.append(draw("line", {class: "mean", x1: across(mean - half), x2: across(mean + half), y1: y, y2: y}));
  svg.append(withTitle(draw("circle", {class: "mark best", r: 4.5, cx: across(mean), cy: y}), `${label}\njobs ${jobs.join(" ")}`));
  svg.append(draw("text", {x: width - 175, y: y + 4}, `${text}  (${jobs.length} seed${jobs.length > 1 ? "s" : ""})`));
}

function curves(facts, name) {
  const shownName = name in facts.curves ? name : Object.keys(facts.curves)[0];
  const all = facts.curves[shownName];
  const drawn = facts.jobs.filter((job) => all[job.number][0].length);
  if (!drawn.length) return [];
  const chosen = best(facts, name).filter((job) => drawn.includes(job)).slice(0, MOST_CURVES);
  const [epochs, values] = [0, 1].map((place) => drawn.flatMap((job) => all[job.number][place]));
  const area = plot({x: axisOf(epochs), y: axisOf(values), xName: "epoch", yName: shownName, width: room(), height: 380});
  const line = (job, looks) => {
    const [across, down] = all[job.number];
    const points = across.map((epoch, place) => [area.across(epoch), area.down(down[place])]).join(" ");
    area.svg.append(withTitle(draw("polyline", {...looks, points}), described(job, name)));
  };
  for (const job of drawn) if (!chosen.includes(job)) line(job, {class: "line faint"});
  const keys = chosen.map((job, place) => {
    line(job, {class: "line", style: `stroke: var(--${COLOURS[place]}); stroke-width: 2.2`});
    const key = make("span", {class: "key", style: `background: var(--${COLOURS[place]})`});
    return make("li", {}, key, described(job, name).replace("\n", " → "));
  });
  return [make("figure", {class: "across-all"}, area.svg, make("ul", {class: "keys"}, ...keys))];
}

function paretoPlots(facts) {
  const pairs = facts.metrics.flatMap((x, place) => facts.metrics.slice(place + 1).map((y) => [x, y]));
  return pairs.map(([x, y]) => pareto(facts, x, y)).filter(Boolean);
}

function pareto(facts, x, y) {
  const known = facts.configurations.map((each, place) => ({...each, isFront: facts.front.includes(place)}));
  if (!known.length) return null;
  const of = (name) => axisOf(known.map((each) => each.figures[name].mean));
  const area = plot({x: of(x), y: of(y), xName: x, yName: y, width: 520, height: 360});
  for (const each of known.sort((one, other) => one.isFront - other.isFront)) {
    area.svg.append(withTitle(draw("circle", {class: `mark ${each.isFront ? "best" : ""}`, r: each.isFront ? 5 : 3.5,
      cx: area.across(each.figures[x].mean), cy: area.down(each.figures[y].mean)}),
      `${each.label}\n${x} ${written(each.figures[x].mean)}, ${y} ${written(each.figures[y].mean)}`));
  }
  return make("figure", {}, area.svg, make("figcaption", {}, "large: no other one is as good in every metric and better in one"));
}
