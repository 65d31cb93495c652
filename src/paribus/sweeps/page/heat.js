// The heat map: a figure's mean by two parameters, over whatever else varies.

const CELLS = 8;  // of the heat map for numbers that are not listed

function heatAxis(parameter) {
  if (parameter.categories) return {names: parameter.categories, cell: (value) => parameter.categories.indexOf(value)};
  const {listed} = parameter;
  if (listed) return {names: listed.map(written), cell: (value) => listed.indexOf(value)};
  const place = parameter.is_log ? Math.log : Number, back = parameter.is_log ? Math.exp : Number;
  const [low, high] = [place(parameter.low), place(parameter.high)];
  const middle = (cell) => back(low + ((cell + 0.5) / CELLS) * (high - low));
  const names = Array.from({length: CELLS}, (_, cell) => written(Number(middle(cell).toPrecision(2))));
  return {names, cell: (value) => Math.min(CELLS - 1, Math.floor(((place(value) - low) / (high - low)) * CELLS))};
}

function heatMap(facts, name, xKey, yKey) {
  const [x, y] = [xKey, yKey].map((key) => facts.parameters.find((each) => each.key === key));
  const jobs = finished(facts, name).filter((job) => xKey in job.values && yKey in job.values);
  if (!jobs.length || x === y) return [];
  const [across, down] = [heatAxis(x), heatAxis(y)];
  const cells = grouped(jobs, (job) => `${across.cell(job.values[xKey])} ${down.cell(job.values[yKey])}`);
  const means = new Map([...cells].map(([cell, group]) => [cell, average(group.map((job) => job.figures[name]))]));
  const axis = axisOf([...means.values()]);
  const [side, tall] = [64, 34], top = 22;
  const left = 30 + LETTER * Math.min(24, Math.max(...down.names.map((each) => each.length)));
  const [width, height] = [left + side * across.names.length + 10, top + tall * down.names.length + 44];
  const svg = draw("svg", {viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": `${name} by ${xKey} and ${yKey}`});
  for (const [cell, mean] of means) {
    const [column, row] = cell.split(" ").map(Number);
    const [from, above] = [left + column * side, top + (down.names.length - 1 - row) * tall];
    svg.append(withTitle(draw("rect", {class: "cell", x: from + 1, y: above + 1, width: side - 2, height: tall - 2, rx: 3,
      fill: colour(axis, mean, facts.low_is_best[name])}), `${name} ${written(mean)}, mean of ${cells.get(cell).length}`));
    svg.append(draw("text", {class: "on-cell", x: from + side / 2, y: above + tall / 2 + 4, "text-anchor": "middle"},
      written(Number(mean.toPrecision(3)))));
  }
  across.names.forEach((text, column) => svg.append(withTitle(draw("text", {class: "tick", "text-anchor": "middle",
    x: left + (column + 0.5) * side, y: height - 28}, shortened(text, 10)), text)));
  down.names.forEach((text, row) => svg.append(withTitle(draw("text", {class: "tick", "text-anchor": "end",
    x: left - 6, y: top + (down.names.length - 0.5 - row) * tall + 4}, shortened(text, 24)), text)));
  svg.append(draw("text", {x: left + (width - left) / 2, y: height - 8, "text-anchor": "middle"}, xKey));
  svg.append(draw("text", {x: 4, y: 12}, yKey));
  return [make("figure", {class: "across-all"}, svg, legend(axis, facts.low_is_best[name], name))];
}
