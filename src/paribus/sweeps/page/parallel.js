// Parallel coordinates: a line a job, through its value of each parameter to its figure.

const LONGEST_AXIS = 12;  // letters of a category

function parallel(facts, name) {
  const jobs = finished(facts, name);
  if (!jobs.length || facts.parameters.length < 2) return [];
  const axis = axisOf(jobs.map((job) => job.figures[name]));
  const axes = [...facts.parameters, {key: name, ...axis}];
  const [left, top, bottom] = [70, 34, 12], height = 320, width = Math.max(room(), axes.length * 110);
  const step = (width - left - 80) / (axes.length - 1);
  const svg = draw("svg", {viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": `parallel coordinates of ${name}`});
  const down = (each, value) => height - bottom - share(each, value) * (height - top - bottom);
  const others = facts.jobs.filter((job) => !jobs.includes(job));
  const order = [...others, ...best(facts, name).reverse()];  // the best last, on top of the rest
  for (const job of order) svg.append(parallelLine(job, facts, name, axes, (place) => left + place * step, down));
  axes.forEach((each, place) => {
    const x = left + place * step;
    svg.append(draw("line", {class: "grid", x1: x, x2: x, y1: top, y2: height - bottom}));
    const head = shortened(each.key, Math.floor(step / LETTER) - 1);
    svg.append(withTitle(draw("text", {x, y: 14, "text-anchor": "middle"}, head), each.key));
    for (const tick of ticksOf(each)) {
      const text = each.categories ? shortened(tick, LONGEST_AXIS) : written(tick);
      svg.append(draw("text", {class: "tick halo", x: x + 5, y: down(each, tick) + 4}, text));
    }
  });
  return [make("figure", {class: "across-all"}, svg, legend(axis, facts.low_is_best[name], name))];
}

function parallelLine(job, facts, name, axes, across, down) {
  const isDone = job.state === "done" && name in job.figures;
  const known = axes.flatMap((each, place) => {
    const value = each.key === name ? (isDone ? job.figures[name] : undefined) : job.values[each.key];
    return value === undefined ? [] : [[across(place), down(each, value)]];
  });
  const axis = axes[axes.length - 1];
  const stroke = isDone ? colour(axis, job.figures[name], facts.low_is_best[name]) : "";
  const looks = isDone ? {class: "line", stroke} : {class: "line faint"};
  return withTitle(draw("polyline", {...looks, points: known.join(" ")}), described(job, name));
}
