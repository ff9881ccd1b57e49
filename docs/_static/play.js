// The page play.md: what is shown and what is done. Rules and functions are in the object skgd, which
// docs/_ext/play_script.py makes of Python; there are no formulas here. play_axes.js draws.
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

// The rate of those given that is there soonest: whose path is the lowest in the mean of its steps' logarithms. Paths
// that leave the picture come last.
function bestRate(landscape, optimizer, hyper, start, rates) {
  const end = ARRIVED * height(landscape, landscape.value(start, landscape.data));
  const stays = ({ x }) => landscape.bounds.every(([low, high], k) => low <= x[k] && x[k] <= high);
  const grade = (path) => {
    if (path.length <= landscape.n_steps) return Infinity; // it diverges
    const sum = path.reduce((total, at) => total + Math.log10(Math.max(height(landscape, at.f), end)), 0);
    return sum / path.length + (path.every(stays) ? 0 : 1000);
  };
  const grades = rates.map((rate) => grade(descend(landscape, optimizer, rate, hyper, start)));
  return rates[grades.indexOf(Math.min(...grades))];
}

function openPage() {
  const element = (name) => document.getElementById(`play-${name}`);
  const state = { name: "", rule: "", rate: 0.1, hyper: [], start: [], shown: 0 };
  let path = [];
  let axes;
  let background = {}; // the last that was drawn, and what for
  let timer = 0; // of the next picture, while steps are played
  let writing = 0; // timer of the address

  const landscape = () => skgd.landscapes[state.name];
  const optimizer = () => skgd.optimizers[state.rule];
  const rates = () => {
    const { min, max, step } = element("rate");
    const n = Math.round((max - min) / step);
    return Array.from({ length: n + 1 }, (_, k) => Number((10 ** (Number(min) + k * step)).toPrecision(3)));
  };
  const point = (at) => (landscape().variables.length === 1 ? [at.x[0], at.f] : at.x);

  const where = () => landscape().variables.map((name, k) => `${name} = ${digits(state.start[k], 3)}`).join(", ");

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
      for (const each of of.minima) axes.mark(each, 5, 8, 0.25, axes.color("text"), "transparent");
    }
    const paint = axes.color("path");
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
    axes.labels(of.variables[0], of.variables[1] ?? "f", heights);
    axes.canvas.setAttribute("aria-label", `${of.title}, with a path from ${where()}. Arrow keys move the start.`);
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
    curve.labels("step", above, decades, (decade) => digits(10 ** decade, 1));
    curve.canvas.setAttribute("aria-label", `${above}, on a logarithmic scale, over the steps`);
  }

  function fillTable() {
    const { variables } = landscape();
    const partial = variables.map((name) => `∂f/∂${name}`);
    const head = ["step", ...variables, "f", ...(partial.length === 1 ? ["f′"] : partial)];
    const row = (cells, tag) => `<tr>${cells.map((cell) => `${tag}${cell}`).join("")}</tr>`;
    const first = Math.max(state.shown - 5, 0);
    const numbers = ({ x, f, gradient }) => [...x, f, ...gradient].map((each) => digits(each));
    const rows = path.slice(first, state.shown + 1).map((at, k) => [first + k, ...numbers(at)]);
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
    element("status").textContent = `From ${where()}: f = ${digits(f)} after ${state.shown} steps${comment}.`;
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
  }

  function writeAddress() {
    const settings = new URLSearchParams({ function: state.name, optimizer: state.rule, rate: state.rate });
    for (const knob of optimizer().knobs) settings.set(knob.name, state.hyper[knob.at]);
    settings.set("start", state.start.map((each) => Number(each.toPrecision(4))));
    history.replaceState(null, "", `#${settings}`.replaceAll("%2C", ","));
  }

  // A new path, all of it unless a part is being looked at
  function renew() {
    const all = !timer && (state.shown === 0 || state.shown >= path.length - 1);
    path = descend(landscape(), optimizer(), state.rate, state.hyper, state.start);
    state.shown = all ? path.length - 1 : Math.min(state.shown, path.length - 1);
    fillSettings();
    show();
  }

  function changed() {
    renew();
    clearTimeout(writing);
    writing = setTimeout(writeAddress, 300); // browsers don't take many in a row
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
    let [at, last] = [state.shown, performance.now()];
    const turn = (now) => {
      at += (Math.max(now - last, 0) / 1000 / SECONDS) * landscape().n_steps;
      last = now;
      state.shown = Math.min(Math.floor(at), path.length - 1);
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
    state.name = Object.hasOwn(skgd.landscapes, name) ? name : "valley";
    state.start = [...landscape().start];
  }

  function chooseOptimizer(name) {
    state.rule = Object.hasOwn(skgd.optimizers, name) ? name : "sgd";
    state.hyper = [...optimizer().hyper];
    const slider = ({ name, title, step }) => `
      <label class="play-slider"><span>${title} <output id="play-${name}-value"></output></span>
      <input id="play-${name}" type="range" min="0" max="${1 - step}" step="${step}"></label>`;
    element("knobs").innerHTML = optimizer().knobs.map(slider).join("");
    for (const knob of optimizer().knobs) {
      element(knob.name).addEventListener("input", (event) => {
        state.hyper[knob.at] = Number(event.target.value);
        changed();
      });
    }
  }

  function readAddress() {
    const settings = new URLSearchParams(location.hash.slice(1));
    const given = settings.has("function");
    const number = (name, low, high) => {
      const value = settings.has(name) ? Number(settings.get(name)) : NaN;
      return value >= low && value <= high ? value : undefined;
    };
    pause();
    chooseFunction(settings.get("function"));
    chooseOptimizer(settings.get("optimizer"));
    for (const knob of optimizer().knobs) state.hyper[knob.at] = number(knob.name, 0, 1) ?? state.hyper[knob.at];
    const place = (settings.get("start") ?? "").split(",").map(Number);
    const isPlace = settings.has("start") && place.length === state.start.length;
    if (isPlace && place.every(Number.isFinite)) state.start = place;
    state.rate = number("rate", 1e-4, 100) ?? (given ? undefined : 0.9);
    if (state.rate === undefined) chooseBest();
    state.shown = Infinity;
    renew();
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
  element("step").addEventListener("click", () => goTo(state.shown < path.length - 1 ? state.shown + 1 : 1));
  element("reset").addEventListener("click", () => goTo(0));
  element("time").addEventListener("input", (event) => goTo(Number(event.target.value)));

  const canvas = element("canvas");
  canvas.addEventListener("click", (event) => moveStart(axes.at(event)));
  canvas.addEventListener("pointermove", (event) => {
    if (event.buttons === 1 && event.pointerType === "mouse") moveStart(axes.at(event));
  });
  canvas.addEventListener("keydown", (event) => {
    const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (!(event.key in ways)) return;
    event.preventDefault();
    const [right, up] = ways[event.key];
    const [x, y = 0] = state.start;
    moveStart([x + (right * (axes.right - axes.left)) / 50, y + (up * (axes.top - axes.bottom)) / 50]);
  });

  addEventListener("hashchange", () => {
    if (!location.hash.startsWith("#function=")) return; // it leads to a heading
    readAddress();
    document.querySelector(".play-picture").scrollIntoView({ block: "nearest" });
    if (!matchMedia("(prefers-reduced-motion: reduce)").matches) play();
  });
  readAddress();
  new ResizeObserver(show).observe(canvas.parentElement);
  new MutationObserver(show).observe(document.documentElement, { attributeFilter: ["data-theme"] });
}

if (globalThis.document) openPage();
