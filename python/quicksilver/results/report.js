/** Where a place, in voxels from the edge, lies on a plane's canvas; and back. */
function toScreen(plane, across, up) {
  const {canvas} = plane, scale = state.zoom * canvas.width / SIZE[plane.across];
  return [canvas.width / 2 + (across - state.centre[plane.across]) * scale,
          canvas.height / 2 - (up - state.centre[plane.up]) * scale];
}
function fromScreen(plane, event) {
  const box = plane.canvas.getBoundingClientRect(), scale = state.zoom * box.width / SIZE[plane.across];
  return [state.centre[plane.across] + (event.clientX - box.left - box.width / 2) / scale,
          state.centre[plane.up] - (event.clientY - box.top - box.height / 2) / scale];
}

/** Copies a plane's section onto its canvas, at the present zoom, with the crosshair. */
function show(plane) {
  const {canvas, section} = plane, context = canvas.getContext("2d");
  canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
  canvas.height = Math.round(canvas.width * SIZE[plane.up] / SIZE[plane.across]);
  const [left, top] = toScreen(plane, 0, SIZE[plane.up]), [right, bottom] = toScreen(plane, SIZE[plane.across], 0);
  context.imageSmoothingQuality = "high";
  context.drawImage(section, left, top, right - left, bottom - top);
  if (!state.cross) return;
  const [x, y] = toScreen(plane, state.at[plane.across] + 0.5, state.at[plane.up] + 0.5).map(Math.round);
  const gap = 8 * devicePixelRatio;
  for (const [colour, width] of [["#000", 3], ["#fff", 1]]) {
    context.strokeStyle = colour; context.lineWidth = width * devicePixelRatio; context.globalAlpha = 0.7;
    context.beginPath();
    for (const [a, b, c, d] of [[0, y, x - gap, y], [x + gap, y, canvas.width, y], [x, 0, x, y - gap], [x, y + gap, x, canvas.height]]) {
      context.moveTo(a, b); context.lineTo(c, d);
    }
    context.stroke();
  }
}

/** The centre follows the crosshair, and never shows what lies beyond the picture. */
function follow() {
  for (let axis = 0; axis < 3; axis++) {
    const half = SIZE[axis] / (2 * state.zoom), at = state.at[axis] + 0.5;
    state.centre[axis] = clamp(clamp(state.centre[axis], at - 0.85 * half, at + 0.85 * half), half, SIZE[axis] - half);
  }
}

let due = false;
/** Draws everything, once before the next frame. */
function refresh() {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    follow();
    for (const plane of PLANES) { paint(plane); show(plane); label(plane); }
    element("zoom").textContent = `${state.zoom.toFixed(1)} times`;
    describe();
    Object.assign(document.body.dataset, {view: state.view, at: state.at.join(","), ready: "yes"});
  });
}

const AXES = FLAT ? [0, 1] : [0, 1, 2];
const position = (axis) => content.origin[axis] + content.steps[axis] * state.at[axis];

function label(plane) {
  const cut = plane.cut;
  if (FLAT) return;
  plane.slider.value = state.at[cut];
  const place = `${NOUNS[cut]} = ${position(cut).toFixed(1)} mm`;
  plane.slider.setAttribute("aria-valuetext", place);
  plane.where.textContent = `slice ${state.at[cut] + 1} of ${SIZE[cut]}, ${place}`;
}

/** The numbers at the crosshair. */
function describe() {
  const [x, y, z] = state.at, read = (name) => volumes[name][(z * Y + y) * X + x];
  const moved = AXES.map((axis) => (read("field" + axis) - 128) * content.largest / 127 * content.spacing);
  const determinant = read("jacobian"), volume = 2 ** ((determinant - 128) / 127 * content.octaves);
  const rows = [
    ["place", AXES.map((axis) => position(axis).toFixed(1)).join(", ") + " mm",
     FLAT ? "to the right and down in the target's space, as ITK has it" : "right, anterior, superior in the target's space"],
    ["intensities", ["target", "warped", "moving"].map((name) => intensity(read(name))).join(", "), "target, warped, moving before; normalised"],
    ["displacement", `${Math.hypot(...moved).toFixed(1)} mm`, `${moved.map((mm) => mm.toFixed(1)).join(", ")} to the right, ${FLAT ? "and up" : "front and top"}`],
  ];
  if (read("target") > 0) rows.push(["Jacobian", determinant < 1 ? "fold" : volume.toFixed(2), "volume in the moving image of a unit volume here"]);
  if ("deviation" in volumes) rows.push(["deviation", `${(read("deviation") / 255 * content.deviation_mm).toFixed(2)} mm`, "of the sampled maps"]);
  element("values").replaceChildren(...rows.map((row) => number(...row)));
}

const number = (name, value, meaning) => make("div", {}, make("dt", {textContent: name}),
  make("dd", {textContent: value}), make("dd", {className: "dim", textContent: meaning}));

function legend() {
  const {says, ramp, ticks, swatches = [], masked} = VIEWS[state.view], place = element("legend");
  const css = ([r, g, b]) => `rgb(${Math.round(r)} ${Math.round(g)} ${Math.round(b)})`;
  place.replaceChildren(make("p", {textContent: says}));
  if (ramp) {
    const bar = make("div", {className: "bar"});
    bar.style.background = `linear-gradient(to right, ${ramp.map(css).join(", ")})`;
    place.append(bar, make("div", {className: "ticks"}, ...ticks.map((tick) => make("span", {textContent: tick}))));
  }
  const named = masked && "imaged" in volumes ? [...swatches, ["not shown by both images", UNKNOWN]] : swatches;
  const line = make("p");
  for (const [name, colour] of named) {
    const swatch = make("span", {className: "swatch"});
    swatch.style.background = css(colour);
    line.append(swatch, name);
  }
  if (named.length) place.append(line);
}

function choose(view) {
  state.view = view;
  document.querySelector(`#views input[value="${view}"]`).checked = true;
  legend();
  refresh();
}

function move(axis, steps) { state.at[axis] = clamp(state.at[axis] + steps, 0, SIZE[axis] - 1); refresh(); }

/** Zooms so that the crosshair stays where it is on the screen. */
function zoom(factor) {
  const before = state.zoom;
  state.zoom = clamp(before * factor, 1, 12);
  for (let axis = 0; axis < 3; axis++) {
    const at = state.at[axis] + 0.5;
    state.centre[axis] = at + (state.centre[axis] - at) * before / state.zoom;
  }
  refresh();
}

function reset() { state.zoom = 1; state.at = [...middle]; refresh(); }

function step(count) {
  const names = Object.keys(VIEWS);
  choose(names[(names.indexOf(state.view) + count + names.length) % names.length]);
}

/** Goes to the next fold, in the order of the voxels. */
function nextFold() {
  const [x, y, z] = state.at, count = X * Y * Z, here = (z * Y + y) * X + x;
  for (let k = 1; k <= count; k++) {
    const place = (here + k) % count;
    if (volumes.jacobian[place] > 0) continue;
    state.at = [place % X, Math.floor(place / X) % Y, Math.floor(place / (X * Y))];
    return choose("jacobian");
  }
}

const KEYS = [  // keys, what they do, and the function that does it in a plane
  [["ArrowLeft"], "crosshair to the left", (plane) => move(plane.across, -1)],
  [["ArrowRight"], "crosshair to the right", (plane) => move(plane.across, 1)],
  [["ArrowUp"], "crosshair up", (plane) => move(plane.up, 1)],
  [["ArrowDown"], "crosshair down", (plane) => move(plane.up, -1)],
  [["PageUp", "]"], "next slice", (plane) => move(plane.cut, 1)],
  [["PageDown", "["], "slice before", (plane) => move(plane.cut, -1)],
  [["+", "="], "zoom in", () => zoom(1.25)],
  [["-"], "zoom out", () => zoom(0.8)],
  [["0", "Home"], "whole picture, crosshair in the middle", reset],
  [["v"], "next view", () => step(1)],
  [["V"], "view before", () => step(-1)],
  [["b"], "blink: target and warped image in turn", () => choose(state.view === "target" ? "warped" : "target")],
  [["f"], "next fold", nextFold],
  [["c"], "crosshair on or off", () => { state.cross = !state.cross; refresh(); }],
];
const GESTURES = ["Drag, or touch: crosshair", "Wheel, after a click: slice", "Two fingers, or Ctrl and wheel: zoom"];

function onKey(plane, event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const found = KEYS.find(([keys]) => keys.includes(event.key));
  if (!found) return;
  event.preventDefault();
  found[2](plane);
}

function place(plane, event) {
  const [across, up] = fromScreen(plane, event);
  state.at[plane.across] = clamp(Math.floor(across), 0, SIZE[plane.across] - 1);
  state.at[plane.up] = clamp(Math.floor(up), 0, SIZE[plane.up] - 1);
  refresh();
}

/** The crosshair follows a pressed mouse or one finger; two fingers zoom. A touch may begin a scroll, so it moves nothing yet. */
function listen(plane) {
  const {canvas} = plane, fingers = new Map();
  const spread = () => { const [a, b] = [...fingers.values()]; return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY); };
  canvas.addEventListener("pointerdown", (event) => {
    fingers.set(event.pointerId, event);
    canvas.setPointerCapture(event.pointerId);
    if (event.pointerType === "mouse") place(plane, event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!fingers.has(event.pointerId)) return;
    const before = fingers.size === 2 ? spread() : 0;
    fingers.set(event.pointerId, event);
    if (before > 0) zoom(spread() / before);
    else if (fingers.size === 1) place(plane, event);
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, (event) => fingers.delete(event.pointerId));
  canvas.addEventListener("click", (event) => place(plane, event));
  canvas.addEventListener("keydown", (event) => onKey(plane, event));
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && document.activeElement !== canvas) return;  // the page scrolls
    event.preventDefault();
    if (event.ctrlKey) zoom(2 ** (-event.deltaY / 200)); else move(plane.cut, Math.sign(event.deltaY));
  }, {passive: false});
}

function build(plane) {
  const {name, cut, sides} = plane;
  plane.section = make("canvas");
  plane.canvas = make("canvas", {tabIndex: 0, id: name});
  plane.canvas.setAttribute("role", "application");
  plane.canvas.setAttribute("aria-label", `${name} section; arrows move the crosshair, Page Up and Page Down the slice`);
  plane.canvas.style.aspectRatio = `${SIZE[plane.across]} / ${SIZE[plane.up]}`;
  plane.where = make("output", {className: "dim"});
  plane.slider = make("input", {type: "range", min: 0, max: SIZE[cut] - 1});
  plane.slider.setAttribute("aria-label", `${name} slice`);
  plane.slider.addEventListener("input", () => { state.at[cut] = Number(plane.slider.value); refresh(); });
  const letters = FLAT ? [] : ["left", "right", "bottom", "top"].map((edge, k) =>
    make("span", {className: `side ${edge}`, textContent: sides[k], title: LETTERS[sides[k]]}));
  const screen = make("div", {className: "screen"}, plane.canvas, ...letters);
  plane.slider.hidden = FLAT;
  element("planes").append(make("figure", {}, make("figcaption", {}, make("span", {textContent: name}), plane.where), screen, plane.slider));
  listen(plane);
}

function controls() {
  for (const name of Object.keys(VIEWS)) {
    const input = make("input", {type: "radio", name: "view", value: name});
    input.addEventListener("change", () => choose(name));
    element("views").append(make("label", {className: "chip"}, input, name));
  }
  element("in").addEventListener("click", () => zoom(1.25));
  element("out").addEventListener("click", () => zoom(0.8));
  element("reset").addEventListener("click", reset);
  for (const [keys, does] of KEYS)
    element("keys").append(make("li", {}, ...keys.flatMap((key) => [make("kbd", {textContent: key}), " "]), does));
  for (const gesture of GESTURES) element("keys").append(make("li", {textContent: gesture}));
  if (FLAT) return;
  const used = Object.entries(LETTERS).map(([letter, word]) => `${letter} ${word}`);
  element("keys").append(make("li", {textContent: `Letters at the edges: ${used.join(", ")}`}));
}

function facts() {
  const {verdict = [], quality = [], ...others} = content.tables, means = (name) => content.meanings[name] ?? "";
  for (const [level, reason] of verdict) {
    if (!element("verdict").childElementCount)
      element("verdict").append(make("span", {className: `verdict ${level}`, textContent: `${SIGNS[level] ?? ""} ${level}`}), " ");
    else element("verdict").append("; ");
    element("verdict").append(reason);
  }
  for (const [name, value] of quality) element("quality").append(number(name, value, means(name)));
  for (const name of content.files)
    element("files").append(make("li", {}, make("a", {href: encodeURIComponent(name), textContent: name}), " ", make("span", {className: "dim", textContent: means(name)})));
  for (const [title, rows] of Object.entries(others)) {
    if (!rows.length) continue;
    const table = make("table", {className: "facts"});
    for (const [name, value] of rows)
      table.append(make("tr", {}, ...(name ? [make("th", {scope: "row", textContent: name})] : []),
        make("td", {}, make(title === "time" ? "span" : "code", {textContent: value})),
        ...(means(name) ? [make("td", {className: "dim", textContent: means(name)})] : [])));
    element("facts").append(make("details", {open: title === "command"}, make("summary", {textContent: title}), make("div", {className: "box"}, table)));
  }
}

/** What the address asks for: #view=jacobian&at=60,72,50. */
function asked() {
  const words = new URLSearchParams(location.hash.slice(1)), at = words.get("at")?.split(",").map(Number) ?? [];
  if (at.length === 3 && at.every(Number.isInteger)) state.at = at.map((value, axis) => clamp(value, 0, SIZE[axis] - 1));
  return words.get("view") in VIEWS ? words.get("view") : state.view;
}

async function main() {
  document.title = content.title;
  element("title").textContent = content.title;
  element("subtitle").textContent = content.subtitle;
  facts();
  controls();
  element("planes").style.setProperty("--widths", PLANES.map((plane) => `${SIZE[plane.across]}fr`).join(" "));
  if (FLAT) element("planes").style.maxWidth = `${75 * X / Y}vh`;  // all of it on the screen
  PLANES.forEach(build);
  // One after another: unpacking takes several times a volume's memory, of which phones have little.
  for (const [name, source] of Object.entries(content.volumes)) volumes[name] = await unpack(source);
  choose(asked());
  new ResizeObserver(() => PLANES.forEach(show)).observe(element("planes"));
}
main();
