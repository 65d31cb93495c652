// What all plots share: elements, axes, positions on them, colours.

const BEST = [31, 119, 200], MIDDLE = [150, 150, 150], WORST = [222, 119, 29];  // legible on light and on dark paper
const LOG_FROM = 50;  // ratio of the ends from which on an axis is logarithmic
const LETTER = 6.2;  // mean width in pixels

function draw(name, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function make(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function shortened(text, letters) {
  return text.length > letters ? `${text.slice(0, letters - 1)}…` : text;
}

function written(number) {
  if (Number.isInteger(number) && Math.abs(number) < 1e6) return String(number);
  const text = Math.abs(number) < 1e-3 || Math.abs(number) >= 1e6 ? number.toExponential(3) : number.toPrecision(4);
  return text.replace(/(\.\d*?)0+(?=e|$)/, "$1").replace(/\.(?=e|$)/, "");
}

// A figure: digits that stand below each other in a column.
function measured(number) {
  return Math.abs(number) >= 1e-3 && Math.abs(number) < 1e3 ? number.toFixed(4) : written(number);
}

// The width of a plot that has a row to itself.
function room() {
  return Math.max(640, Math.min(1150, document.getElementById("jobs").clientWidth));
}

function axisOf(values) {
  const low = Math.min(...values), high = Math.max(...values);
  return {low, high, is_log: low > 0 && high / low >= LOG_FROM};
}

// The share of the way from an axis' low end to its high end; categories stand in the middle of equal parts.
function share(axis, value) {
  if (axis.categories) return (axis.categories.indexOf(value) + 0.5) / axis.categories.length;
  if (axis.low === axis.high) return 0.5;
  const place = axis.is_log ? Math.log : Number;
  return (place(value) - place(axis.low)) / (place(axis.high) - place(axis.low));
}

function ticksOf(axis) {
  if (axis.categories || axis.listed) return axis.categories || axis.listed;
  if (axis.low === axis.high) return [axis.low];
  return axis.is_log ? logTicks(axis) : linearTicks(axis);
}

function logTicks({low, high}) {
  const found = [], first = Math.floor(Math.log10(low)), last = Math.ceil(Math.log10(high));
  const step = Math.max(1, Math.ceil((last - first) / 6));
  for (let power = first; power <= last; power += step) found.push(Number(`1e${power}`));
  return found.filter((value) => value >= low * 0.999 && value <= high * 1.001);
}

function linearTicks({low, high}) {
  const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((each) => each * power).find((each) => each >= rough * 0.999);
  const found = [];
  for (let count = Math.ceil(low / step - 1e-9); count * step <= high + step * 1e-9; count += 1) {
    found.push(Number((count * step).toPrecision(12)));
  }
  return found;
}

function padded(axis) {
  if (axis.categories) return axis;
  if (axis.low === axis.high) return axis;
  const [part, ratio] = [(axis.high - axis.low) * 0.05, (axis.high / axis.low) ** 0.05];
  return axis.is_log
    ? {...axis, low: axis.low / ratio, high: axis.high * ratio}
    : {...axis, low: axis.low - part, high: axis.high + part};
}

// An empty plot with its axes: where x and y are on it, and the SVG to add marks to.
function plot({x, y, xName, yName, width = 420, height = 280}) {
  const rows = y.categories ? Math.min(150, 12 + LETTER * Math.max(...y.categories.map((each) => each.length))) : 58;
  const [left, right, top, bottom] = [rows, 12, 20, 44];
  const svg = draw("svg", {viewBox: `0 0 ${width} ${height}`, width, height, role: "img",
    "aria-label": `${yName} by ${xName}`});
  const [acrossAxis, downAxis] = [padded(x), padded(y)];
  const across = (value) => left + share(acrossAxis, value) * (width - left - right);
  const down = (value) => height - bottom - share(downAxis, value) * (height - top - bottom);
  const letters = x.categories ? Math.max(3, Math.floor((width - left - right) / x.categories.length / LETTER)) : 12;
  let taken = -Infinity;  // where the last name ended
  for (const tick of ticksOf(acrossAxis)) {
    const name = x.categories ? shortened(tick, letters) : written(tick);
    svg.append(draw("line", {class: "grid", x1: across(tick), x2: across(tick), y1: top, y2: height - bottom}));
    if (!x.categories && across(tick) - (name.length / 2) * LETTER < taken) continue;
    taken = across(tick) + (name.length / 2) * LETTER + 4;
    svg.append(draw("text", {class: "tick", x: across(tick), y: height - bottom + 15, "text-anchor": "middle"}, name));
  }
  for (const tick of ticksOf(downAxis)) {
    const name = y.categories ? shortened(tick, Math.floor((rows - 8) / LETTER)) : written(tick);
    svg.append(draw("line", {class: "grid", x1: left, x2: width - right, y1: down(tick), y2: down(tick)}));
    svg.append(draw("text", {class: "tick", x: left - 6, y: down(tick) + 4, "text-anchor": "end"}, name));
  }
  svg.append(draw("text", {x: (left + width - right) / 2, y: height - 8, "text-anchor": "middle"}, xName));
  svg.append(draw("text", {x: 4, y: 12}, yName));
  return {svg, across, down, left, right, top, bottom, width, height};
}

function mixed(one, other, part) {
  return `rgb(${one.map((value, place) => Math.round(value + part * (other[place] - value))).join(",")})`;
}

// Blue is good, orange is bad, whichever way the figure is best.
function colour(axis, value, lowIsBest) {
  const good = lowIsBest ? 1 - share(axis, value) : share(axis, value);
  return good < 0.5 ? mixed(WORST, MIDDLE, good * 2) : mixed(MIDDLE, BEST, good * 2 - 1);
}

function legend(axis, lowIsBest, name) {
  const svg = draw("svg", {viewBox: "0 0 320 30", width: 320, height: 30, role: "img", "aria-label": `colours of ${name}`});
  for (let place = 0; place < 40; place += 1) {
    const good = lowIsBest ? 1 - place / 39 : place / 39;
    const fill = good < 0.5 ? mixed(WORST, MIDDLE, good * 2) : mixed(MIDDLE, BEST, good * 2 - 1);
    svg.append(draw("rect", {x: 80 + place * 4, y: 4, width: 4.5, height: 12, fill}));
  }
  svg.append(draw("text", {x: 74, y: 14, "text-anchor": "end"}, written(axis.low)));
  svg.append(draw("text", {x: 246, y: 14}, written(axis.high)));
  svg.append(draw("text", {class: "tick", x: 160, y: 28, "text-anchor": "middle"}, name));
  return svg;
}

function withTitle(mark, text) {
  mark.append(draw("title", {}, text));
  return mark;
}
