// What play.js draws with: numbers in few digits, a canvas with axes, contours.
"use strict";

// As people read them
function digits(value, n = 4) {
  if (!Number.isFinite(value)) return String(value).replace("Infinity", "∞");
  const size = Math.abs(value);
  const short = value === 0 || (size >= 1e-3 && size < 1e5);
  const text = short ? String(Number(value.toPrecision(n))) : value.toExponential(1);
  return text.replace("e+", "e").replace(".0e", "e").replaceAll("-", "−");
}

// Round numbers between two others, about so many
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

  labels(xLabel, yLabel, yTicks, yText = digits) {
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
    const beside = values[i % width === width - 1 ? i - 1 : i + 1];
    const below = values[i + width] ?? values[i - width];
    const rise = Math.min(value - (band ? levels[band] : -Infinity), (levels[band + 1] ?? Infinity) - value);
    const pixels = rise / Math.hypot(beside - value, below - value); // to the next contour
    const line = Math.min(Math.max(0.4 * ratio + 0.5 - pixels, 0), 1);
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
