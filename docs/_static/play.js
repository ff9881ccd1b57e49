// The page play.md: what is drawn and what is done. Rules and functions come from skgd, as the object of that name
// (docs/_ext/play.py); there are no formulas here.
"use strict";

const HOPELESS = 1e15; // a descent that has come to this height has diverged
const LEAST = 1e-12; // heights above the minimum that aren't told from it
const ARRIVED = 1e-4; // share of the height at the start
const SECONDS = 8; // that all steps take when they are played

function descend(landscape, optimizer, rate, hyper, start) {
  const x = Float64Array.from(start);
  const gradient = new Float64Array(x.length);
  const slots = Array.from({ length: optimizer.n_slots }, () => new Float64Array(x.length));
  const path = [];
  for (let t = 0; ; t++) {
    landscape.gradient(x, landscape.data, gradient);
    path.push({ x: [...x], f: landscape.value(x, landscape.data), gradient: [...gradient] });
    if (t === landscape.n_steps || !(Math.abs(path[t].f) < HOPELESS)) return path;
    if (optimizer.weight_decay > 0) skgd.decay(x, rate, optimizer.weight_decay);
    optimizer.rule(x, gradient, slots, hyper, rate, t + 1); // which may use up the gradient
  }
}

const height = (landscape, f) => Math.max(f - landscape.lowest, LEAST);

// The rate of those given whose path is the lowest, in the mean of its steps' logarithms; all that is below is the end.
function bestRate(landscape, optimizer, hyper, start, rates) {
  let best = rates[0];
  let lowest = Infinity;
  const end = ARRIVED * height(landscape, landscape.value(start, landscape.data));
  for (const rate of rates) {
    const path = descend(landscape, optimizer, rate, hyper, start);
    if (path.length <= landscape.n_steps) continue; // it diverges
    const sum = path.reduce((total, at) => total + Math.log10(Math.max(height(landscape, at.f), end)), 0);
    if (sum < lowest) [best, lowest] = [rate, sum];
  }
  return best;
}

// Numbers as people read them

function digits(value, n = 4) {
  if (!Number.isFinite(value)) return String(value).replace("Infinity", "∞");
  const size = Math.abs(value);
  const short = value === 0 || (size >= 1e-3 && size < 1e5);
  const text = short ? String(Number(value.toPrecision(n))) : value.toExponential(1).replace("e+", "e").replace(".0e", "e");
  return text.replaceAll("-", "−");
}

function ticks(low, high, about) {
  const rough = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((each) => each * power >= rough);
  const first = Math.ceil(low / step);
  return Array.from({ length: Math.floor(high / step) - first + 1 }, (_, k) => (first + k) * step);
}

// A canvas with axes: from numbers to pixels and back

class Axes {
  constructor(canvas, [left, right, bottom, top]) {
    Object.assign(this, { canvas, left, right, bottom, top, ratio: window.devicePixelRatio || 1 });
    this.width = canvas.clientWidth;
    this.height = canvas.clientHeight;
    canvas.width = Math.round(this.width * this.ratio);
    canvas.height = Math.round(this.height * this.ratio);
    this.pen = canvas.getContext("2d");
    this.pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
    this.box = { x: 56, y: 8, width: this.width - 70, height: this.height - 48 };
    const style = getComputedStyle(canvas);
    this.color = (name) => style.getPropertyValue(`--play-${name}`).trim();
    this.font = `12px ${style.fontFamily}`;
  }

  x(value) {
    return this.box.x + ((value - this.left) / (this.right - this.left)) * this.box.width;
  }

  y(value) {
    return this.box.y + ((this.top - value) / (this.top - this.bottom)) * this.box.height;
  }

  at(event) {
    const place = this.canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - place.left - this.box.x, event.clientY - place.top - this.box.y];
    return [
      this.left + (Math.min(Math.max(x / this.box.width, 0), 1)) * (this.right - this.left),
      this.top - (Math.min(Math.max(y / this.box.height, 0), 1)) * (this.top - this.bottom),
    ];
  }

  // One scale for both variables: the shorter side shows more than was asked for.
  makeEqual() {
    const [across, up] = [(this.right - this.left) / this.box.width, (this.top - this.bottom) / this.box.height];
    const [wider, taller] = [Math.max(up / across, 1), Math.max(across / up, 1)];
    const grow = (low, high, by) => [(low + high - (high - low) * by) / 2, (low + high + (high - low) * by) / 2];
    [this.left, this.right] = grow(this.left, this.right, wider);
    [this.bottom, this.top] = grow(this.bottom, this.top, taller);
  }

  frame(xLabel, yLabel, yTicks, yText = digits) {
    const { pen, box } = this;
    pen.fillStyle = this.color("text");
    pen.font = this.font;
    pen.textAlign = "center";
    pen.textBaseline = "top";
    for (const tick of ticks(this.left, this.right, Math.max(box.width / 90, 4))) {
      pen.fillText(digits(tick), this.x(tick), box.y + box.height + 5);
    }
    pen.fillText(xLabel, box.x + box.width / 2, box.y + box.height + 22);
    pen.textAlign = "right";
    pen.textBaseline = "middle";
    for (const tick of yTicks) pen.fillText(yText(tick), box.x - 5, this.y(tick));
    pen.save();
    pen.translate(2, box.y + box.height / 2);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "center";
    pen.textBaseline = "top";
    pen.fillText(yLabel, 0, 0);
    pen.restore();
  }

  clip() {
    const { pen, box } = this;
    pen.save();
    pen.beginPath();
    pen.rect(box.x, box.y, box.width, box.height);
    pen.clip();
  }

  line(points, color, width) {
    const { pen } = this;
    pen.beginPath();
    for (const [x, y] of points) pen.lineTo(this.x(x), this.y(y));
    Object.assign(pen, { strokeStyle: color, lineWidth: width, lineJoin: "round" });
    pen.stroke();
  }

  // A mark with n corners, every second one of them nearer by `inner`; a circle has many.
  mark([x, y], radius, n, inner, fill, edge) {
    const { pen } = this;
    pen.beginPath();
    for (let k = 0; k < n; k++) {
      const [angle, far] = [(2 * Math.PI * k) / n - Math.PI / 2, k % 2 ? radius * inner : radius];
      pen.lineTo(this.x(x) + far * Math.cos(angle), this.y(y) + far * Math.sin(angle));
    }
    pen.closePath();
    Object.assign(pen, { fillStyle: fill, strokeStyle: edge, lineWidth: 3 });
    pen.stroke();
    pen.fill();
  }

  dot(point, radius, fill, edge) {
    this.mark(point, radius, 32, 1, fill, edge);
  }
}

// Areas between the contours, darker (in the dark, lighter) where paths are to get to, with lines between them.
function contours(axes, landscape) {
  const { box, ratio } = axes;
  const [width, height] = [Math.round(box.width * ratio), Math.round(box.height * ratio)];
  const values = new Float64Array(width * height);
  const x = new Float64Array(2);
  for (let row = 0, i = 0; row < height; row++) {
    x[1] = axes.top - ((row + 0.5) / height) * (axes.top - axes.bottom);
    for (let column = 0; column < width; column++, i++) {
      x[0] = axes.left + ((column + 0.5) / width) * (axes.right - axes.left);
      values[i] = landscape.value(x, landscape.data);
    }
  }
  const image = new ImageData(width, height);
  const [low, high, between] = ["low", "high", "between"].map((name) => axes.color(name).split(" ").map(Number));
  const { levels } = landscape;
  const last = levels.length - 1;
  for (let i = 0, band = 0; i < values.length; i++) {
    const value = values[i];
    while (band < last && value >= levels[band + 1]) band++;
    while (band > 0 && value < levels[band]) band--;
    // how many pixels away the next contour is, by the slope
    const slope = Math.hypot(values[i + (i % width === width - 1 ? -1 : 1)] - value, (values[i + width] ?? values[i - width]) - value);
    const away = Math.min(band ? value - levels[band] : Infinity, band < last ? levels[band + 1] - value : Infinity) / slope;
    const line = Math.min(Math.max(0.4 * ratio + 0.5 - away, 0), 1);
    for (let c = 0; c < 3; c++) {
      const shade = low[c] + (high[c] - low[c]) * (band / last);
      image.data[4 * i + c] = shade + (between[c] - shade) * line;
    }
    image.data[4 * i + 3] = 255;
  }
  const drawn = document.createElement("canvas");
  Object.assign(drawn, { width, height });
  drawn.getContext("2d").putImageData(image, 0, 0);
  return drawn;
}

// The page

function start() {
  const element = (name) => document.getElementById(`play-${name}`);
  const state = { name: "", rule: "", rate: 0.1, hyper: [], start: [], shown: 0 };
  let path = [];
  let axes;
  let background = {}; // the last that was drawn, and what for
  let timer = 0; // of the next picture, while steps are played

  const landscape = () => skgd.landscapes[state.name];
  const optimizer = () => skgd.optimizers[state.rule];
  const rates = () => {
    const { min, max, step } = element("rate");
    const n = Math.round((max - min) / step);
    return Array.from({ length: n + 1 }, (_, k) => Number((10 ** (Number(min) + k * step)).toPrecision(3)));
  };
  const point = (at) => (landscape().variables.length === 1 ? [at.x[0], at.f] : at.x);

  function drawPicture() {
    const of = landscape();
    const flat = of.variables.length === 1;
    const [[left, right], [bottom, top] = [of.lowest, of.levels.at(-1)]] = of.bounds;
    const margin = flat ? (top - bottom) / 20 : 0;
    axes = new Axes(element("canvas"), [left, right, bottom - margin, top + margin]);
    if (of.equal) axes.makeEqual();
    const { pen, box } = axes;
    const heights = ticks(axes.bottom, axes.top, Math.max(box.height / 60, 5));
    if (flat) {
      axes.clip();
      for (const each of heights) axes.line([[left, each], [right, each]], axes.color("grid"), 1);
      const x = Array.from({ length: 401 }, (_, k) => left + ((right - left) * k) / 400);
      axes.line(x.map((each) => [each, of.value([each], of.data)]), axes.color("curve"), 3);
    } else {
      const what = [state.name, box.width, box.height, axes.ratio, axes.color("low")].join();
      if (background.what !== what) background = { what, image: contours(axes, of) };
      pen.drawImage(background.image, box.x, box.y, box.width, box.height);
      axes.clip();
    }
    const paint = axes.color("path");
    for (const x of of.minima) {
      const place = point({ x, f: of.lowest });
      if (!flat) axes.mark(place, 5, 8, 0.25, axes.color("text"), "transparent");
    }
    const points = path.slice(0, state.shown + 1).map(point);
    axes.line(points, paint, 2);
    points.forEach((each, k) => {
      const [x, y] = points[Math.max(k - 1, 0)];
      const seen = Math.hypot(axes.x(each[0]) - axes.x(x), axes.y(each[1]) - axes.y(y)) >= 4;
      if (seen) axes.dot(each, 2, paint, paint);
    });
    axes.dot(points[0], 6, "white", paint);
    if (points.length > 1) axes.mark(points.at(-1), 9, 10, 0.45, paint, "white");
    pen.restore();
    axes.frame(of.variables[0], of.variables[1] ?? "f", heights);
    const where = of.variables.map((name, k) => `${name} = ${digits(state.start[k], 3)}`).join(", ");
    axes.canvas.setAttribute("aria-label", `${of.title}, descent from ${where}. Arrow keys move the start.`);
  }

  function drawCurve() {
    const of = landscape();
    const heights = path.map((at) => Math.log10(Math.min(height(of, at.f), HOPELESS)));
    const top = Math.ceil(Math.max(...heights) + 0.05);
    const bottom = Math.min(Math.floor(Math.min(...heights)), top - 2);
    const curve = new Axes(element("curve"), [0, of.n_steps, bottom, top]);
    const every = Math.ceil((top - bottom) / (curve.box.height / 28));
    const decades = Array.from({ length: Math.floor((top - bottom) / every) + 1 }, (_, k) => bottom + k * every);
    for (const decade of decades) curve.line([[0, decade], [of.n_steps, decade]], curve.color("grid"), 1);
    const points = heights.map((each, k) => [k, each]);
    curve.line(points, curve.color("faint"), 2);
    curve.line(points.slice(0, state.shown + 1), curve.color("path"), 2);
    curve.dot(points[state.shown], 3, curve.color("path"), curve.color("path"));
    const above = of.lowest === 0 ? "f" : "f above its minimum";
    curve.frame("step", above, decades, (decade) => digits(10 ** decade, 1));
    curve.canvas.setAttribute("aria-label", `${above}, on a logarithmic scale, over the steps`);
  }

  function fillTable() {
    const { variables } = landscape();
    const partial = variables.map((name) => `∂f/∂${name}`);
    const head = ["step", ...variables, "f", ...(partial.length === 1 ? ["f′"] : partial)];
    const row = (cells, tag) => `<tr>${cells.map((cell) => `${tag}${cell}`).join("")}</tr>`;
    const first = Math.max(state.shown - 5, 0);
    const rows = path.slice(first, state.shown + 1).map((at, k) => [first + k, ...[...at.x, at.f, ...at.gradient].map((each) => digits(each))]);
    const table = element("table");
    table.tHead.innerHTML = row(head, '<th scope="col">');
    table.tBodies[0].innerHTML = rows.map((cells) => row(cells, "<td>")).join("");
  }

  function show() {
    const of = landscape();
    const end = path.length - 1;
    drawPicture();
    drawCurve();
    fillTable();
    element("time").max = end;
    element("time").value = state.shown;
    element("time-value").value = `${state.shown} of ${end}`;
    element("play").textContent = timer ? "Pause" : "Play";
    const { f } = path[state.shown];
    const diverged = end < of.n_steps && state.shown === end;
    element("status").setAttribute("aria-live", timer ? "off" : "polite");
    const comment = diverged ? ": it diverges" : f > path[0].f ? ", above the start" : "";
    element("status").textContent = `f = ${digits(f)} after ${state.shown} steps${comment}.`;
  }

  function fillSettings() {
    element("function").value = state.name;
    element("optimizer").value = state.rule;
    element("formula").textContent = `${landscape().formula}.`.replaceAll("-", "−");
    element("rate").value = Math.log10(state.rate);
    element("rate-value").value = digits(state.rate, 3);
    element("rate").setAttribute("aria-valuetext", digits(state.rate, 3));
    element("customary").textContent = `Customary: ${digits(optimizer().learning_rate)}`;
    for (const knob of optimizer().knobs) {
      element(knob.name).value = state.hyper[knob.at];
      element(`${knob.name}-value`).value = digits(state.hyper[knob.at]);
    }
    const settings = new URLSearchParams({ function: state.name, optimizer: state.rule, rate: state.rate });
    for (const knob of optimizer().knobs) settings.set(knob.name, state.hyper[knob.at]);
    settings.set("start", state.start.map((each) => Number(each.toPrecision(4))));
    history.replaceState(null, "", `#${settings}`.replaceAll("%2C", ","));
  }

  // After any change: the whole path, unless a part of it is being looked at.
  function changed() {
    const all = !timer && (state.shown === 0 || state.shown >= path.length - 1);
    path = descend(landscape(), optimizer(), state.rate, state.hyper, state.start);
    state.shown = all ? path.length - 1 : Math.min(state.shown, path.length - 1);
    fillSettings();
    show();
  }

  function pause() {
    cancelAnimationFrame(timer);
    timer = 0;
  }

  function goTo(step) {
    pause();
    state.shown = Math.min(step, path.length - 1);
    show();
  }

  function play() {
    if (state.shown >= path.length - 1) state.shown = 0;
    const [from, since] = [state.shown, performance.now()];
    const turn = (now) => {
      const step = from + Math.floor((Math.max(now - since, 0) / 1000 / SECONDS) * landscape().n_steps);
      state.shown = Math.min(step, path.length - 1);
      timer = state.shown < path.length - 1 ? requestAnimationFrame(turn) : 0;
      show();
    };
    timer = requestAnimationFrame(turn);
    show();
  }

  function chooseBest() {
    state.rate = bestRate(landscape(), optimizer(), state.hyper, state.start, rates());
  }

  function chooseFunction(name) {
    state.name = name in skgd.landscapes ? name : "valley";
    state.start = [...landscape().start];
  }

  function chooseOptimizer(name) {
    state.rule = name in skgd.optimizers ? name : "sgd";
    state.hyper = [...optimizer().hyper];
    const knobs = optimizer().knobs.map(
      ({ name, title, step }) => `<label class="play-slider"><span>${title} <output id="play-${name}-value"></output></span>
        <input id="play-${name}" type="range" min="0" max="${1 - step}" step="${step}"></label>`,
    );
    element("knobs").innerHTML = knobs.join("");
    for (const knob of optimizer().knobs) {
      element(knob.name).addEventListener("input", (event) => {
        state.hyper[knob.at] = Number(event.target.value);
        changed();
      });
    }
  }

  function readAddress() {
    const settings = new URLSearchParams(location.hash.slice(1));
    const number = (name, low, high) => {
      const value = settings.has(name) ? Number(settings.get(name)) : NaN;
      return value >= low && value <= high ? value : undefined;
    };
    pause();
    chooseFunction(settings.get("function"));
    chooseOptimizer(settings.get("optimizer"));
    for (const knob of optimizer().knobs) state.hyper[knob.at] = number(knob.name, 0, 1) ?? state.hyper[knob.at];
    const place = (settings.get("start") ?? "").split(",").map(Number);
    if (place.length === state.start.length && settings.has("start") && place.every(Number.isFinite)) state.start = place;
    state.rate = number("rate", 1e-4, 100) ?? (settings.has("function") ? undefined : 0.9);
    if (state.rate === undefined) chooseBest();
    state.shown = Infinity;
    changed();
  }

  function moveStart(place) {
    state.start = place.slice(0, state.start.length);
    changed();
  }

  for (const [list, all] of [["function", skgd.landscapes], ["optimizer", skgd.optimizers]]) {
    element(list).append(...Object.entries(all).map(([name, { title }]) => new Option(title, name)));
  }
  element("function").addEventListener("change", (event) => {
    chooseFunction(event.target.value);
    chooseBest();
    changed();
  });
  element("optimizer").addEventListener("change", (event) => {
    chooseOptimizer(event.target.value);
    chooseBest();
    changed();
  });
  element("rate").addEventListener("input", (event) => {
    state.rate = Number((10 ** event.target.value).toPrecision(3));
    changed();
  });
  element("best").addEventListener("click", () => {
    chooseBest();
    changed();
  });
  element("customary").addEventListener("click", () => {
    state.rate = optimizer().learning_rate;
    changed();
  });
  element("play").addEventListener("click", () => (timer ? goTo(state.shown) : play()));
  element("step").addEventListener("click", () => goTo(state.shown < path.length - 1 ? state.shown + 1 : state.shown));
  element("reset").addEventListener("click", () => goTo(0));
  element("time").addEventListener("input", (event) => goTo(Number(event.target.value)));

  const canvas = element("canvas");
  canvas.addEventListener("click", (event) => moveStart(axes.at(event)));
  canvas.addEventListener("pointermove", (event) => {
    if (event.buttons === 1 && event.pointerType === "mouse") moveStart(axes.at(event));
  });
  canvas.addEventListener("keydown", (event) => {
    const [right, up] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key] ?? [0, 0];
    if (right === 0 && up === 0) return;
    event.preventDefault();
    const [x, y = 0] = state.start;
    moveStart([x + (right * (axes.right - axes.left)) / 50, y + (up * (axes.top - axes.bottom)) / 50]);
  });

  addEventListener("hashchange", () => {
    readAddress();
    document.querySelector(".play-picture").scrollIntoView({ block: "nearest" });
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) play();
  });
  readAddress();
  new ResizeObserver(show).observe(canvas.parentElement);
  new MutationObserver(show).observe(document.documentElement, { attributeFilter: ["data-theme"] });
}

if (globalThis.document) start();
