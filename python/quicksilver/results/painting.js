const [X, Y, Z] = content.shape, SIZE = [X, Y, Z], NOUNS = ["x", "y", "z"];
const FLAT = Z === 1;  // two slices
const PLANES = FLAT ? [{name: "slice", cut: 2, across: 0, up: 1, sides: ""}] : [
  // name, axis that is cut, axes across and up, letters at the left, right, bottom and top
  {name: "sagittal", cut: 0, across: 1, up: 2, sides: "PAIS"},
  {name: "coronal", cut: 1, across: 0, up: 2, sides: "LRIS"},
  {name: "axial", cut: 2, across: 0, up: 1, sides: "LRPA"}];
const LETTERS = {L: "left", R: "right", P: "posterior", A: "anterior", I: "inferior", S: "superior"};

// Colours from the low to the high end; all three can be told apart without red and green.
const HEAT = [[0, 0, 4], [87, 16, 110], [188, 55, 84], [249, 142, 9], [252, 255, 164]];
const DEVIATION = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const SIGNED = [[5, 48, 97], [67, 147, 195], [247, 247, 247], [214, 96, 77], [103, 0, 31]];
const FOLD = [240, 228, 66], UNKNOWN = [52, 52, 64], OUTSIDE = [16, 16, 20];
const FIRST = [94, 200, 255], SECOND = [255, 195, 94];  // lines of the grid
const LINES_MM = Number((8 * content.scale).toPrecision(2)), DIFFERENCE = 160;  // between lines of the grid; grey levels at the end of the scale
const intensity = (level) => (level / 255 * content.white).toFixed(2);

const differences = {ramp: HEAT, ticks: [0, 0.5, 1].map((part) => intensity(DIFFERENCE * part)), masked: true};
const VIEWS = {
  overlay: {says: "Both images at once: grey where they agree.",
            swatches: [["target brighter", [0, 128, 255]], ["warped moving image brighter", [255, 128, 0]]]},
  target: {says: "The target.", ramp: [[0, 0, 0], [255, 255, 255]], ticks: [0, 0.5, 1].map((part) => intensity(255 * part))},
  warped: {says: "The moving image, warped to the target."},
  moving: {says: "The moving image before the deformation, aligned."},
  checkerboard: {says: "Squares of the target and of the warped moving image: edges should go on from square to square."},
  difference: {says: "Absolute difference of the warped moving image and the target, in normalised intensity.", ...differences},
  "difference before": {says: "Absolute difference of the moving image and the target, in normalised intensity.", ...differences},
  grid: {says: `Lines of a regular grid of the moving image, ${LINES_MM} mm apart, carried to the target.`,
         swatches: [["across", FIRST], ["up", SECOND]], detail: 3},
  jacobian: {says: "Jacobian determinant of the deformation: above 1 (red) the moving image is larger here, below 1 (blue) it is smaller.",
             ramp: SIGNED, ticks: ["0.35", "0.6", "1", "1.7", "2.8"], swatches: [["folds", FOLD]], masked: true},
  deviation: {says: "Standard deviation of the sampled maps, in mm.", ramp: DEVIATION,
              ticks: [0, 0.5, 1].map((part) => (part * content.deviation_mm).toFixed(2))},
};
for (const name of ["warped", "moving"]) VIEWS[name] = {...VIEWS.target, ...VIEWS[name]};
if (!("deviation" in content.volumes)) delete VIEWS.deviation;

const middle = SIZE.map((count) => Math.floor(count / 2));
const state = {view: "overlay", at: [...middle], zoom: 1, centre: SIZE.map((count) => count / 2), cross: true};
const volumes = {};
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** The bytes of a volume, x fastest, from a picture of its axial sections side by side. */
async function unpack(source) {
  const picture = new Image();
  picture.src = source;
  await picture.decode();
  const canvas = make("canvas", {width: picture.width, height: picture.height});
  const context = canvas.getContext("2d", {willReadFrequently: true});
  context.drawImage(picture, 0, 0);
  const rgba = context.getImageData(0, 0, canvas.width, canvas.height).data;
  const columns = content.columns, bytes = new Uint8Array(X * Y * Z);
  for (let z = 0; z < Z; z++)
    for (let y = 0; y < Y; y++) {
      const from = (Math.floor(z / columns) * Y + y) * canvas.width + (z % columns) * X;
      for (let x = 0; x < X; x++) bytes[(z * Y + y) * X + x] = rgba[4 * (from + x)];
    }
  return bytes;
}

/** Reads a volume in the section at the crosshair, linear between voxels: a function of the place across and up. */
function sampler(bytes, plane) {
  const strides = [1, X, X * Y], across = strides[plane.across], up = strides[plane.up];
  const base = state.at[plane.cut] * strides[plane.cut], wide = SIZE[plane.across] - 1, high = SIZE[plane.up] - 1;
  return (u, v) => {
    u = clamp(u, 0, wide); v = clamp(v, 0, high);
    const i = Math.min(Math.floor(u), wide - 1), j = Math.min(Math.floor(v), high - 1), s = u - i, t = v - j;
    const at = base + i * across + j * up;
    return (1 - t) * ((1 - s) * bytes[at] + s * bytes[at + across])
         + t * ((1 - s) * bytes[at + up] + s * bytes[at + across + up]);
  };
}

const grey = (value) => [value, value, value];

/** The colour at a part (0 to 1) of a scale. */
function shade(ramp, part) {
  const place = clamp(part, 0, 1) * (ramp.length - 1), low = Math.min(Math.floor(place), ramp.length - 2);
  return ramp[low].map((value, k) => value + (place - low) * (ramp[low + 1][k] - value));
}

/** How the present view colours a place: a function of u and v. */
function painter(plane) {
  const read = {};
  for (const [name, bytes] of Object.entries(volumes)) read[name] = sampler(bytes, plane);
  const {target, warped, moving, imaged} = read, view = state.view;
  const known = (paint) => imaged ? (u, v) => imaged(u, v) < 128 ? UNKNOWN : paint(u, v) : paint;
  const inside = (paint) => (u, v) => target(u, v) < 5 ? OUTSIDE : paint(u, v);
  if (view === "overlay") return (u, v) => { const a = warped(u, v), b = target(u, v); return [a, (a + b) / 2, b]; };
  if (view === "checkerboard") return (u, v) => grey((Math.floor(u / 10) + Math.floor(v / 10)) % 2 ? target(u, v) : warped(u, v));
  if (view.startsWith("difference")) {
    const other = view === "difference" ? warped : moving;
    return known((u, v) => shade(HEAT, Math.abs(other(u, v) - target(u, v)) / DIFFERENCE));
  }
  if (view === "jacobian") return known(inside((u, v) => {
    const value = read.jacobian(u, v);
    return value < 1 ? FOLD : shade(SIGNED, (value - 1) / 254);
  }));
  if (view === "deviation") return inside((u, v) => shade(DEVIATION, read.deviation(u, v) / 255));
  if (view === "grid") return gridPainter(plane, read);
  return (u, v) => grey(read[view](u, v));
}

function gridPainter(plane, read) {
  const step = LINES_MM / content.spacing, unit = content.largest / 127, width = 0.5;
  const parts = [[read["field" + plane.across], FIRST, true], [read["field" + plane.up], SECOND, false]];
  return (u, v) => {
    let colour = grey(0.6 * read.target(u, v));
    for (const [field, line, across] of parts) {
      const position = ((across ? u : v) + (field(u, v) - 128) * unit) / step;
      const part = clamp(2 * (width - Math.abs(position - Math.round(position)) * step) + 0.5, 0, 1);
      colour = colour.map((value, k) => value + part * (line[k] - value));
    }
    return colour;
  };
}

/** Paints the section of a plane, a few pixels a voxel, and notes how bright it is. */
function paint(plane) {
  const wanted = `${state.view} ${state.at[plane.cut]}`;
  if (plane.painted === wanted) return;
  plane.painted = wanted;
  const detail = VIEWS[state.view].detail ?? 1, colour = painter(plane);
  const canvas = plane.section, wide = SIZE[plane.across] * detail, high = SIZE[plane.up] * detail;
  Object.assign(canvas, {width: wide, height: high});
  const context = canvas.getContext("2d"), picture = context.createImageData(wide, high);
  let total = 0, place = 0;
  for (let row = 0; row < high; row++)
    for (let column = 0; column < wide; column++) {
      const [r, g, b] = colour((column + 0.5) / detail - 0.5, (high - row - 0.5) / detail - 0.5);
      picture.data[place++] = r; picture.data[place++] = g; picture.data[place++] = b; picture.data[place++] = 255;
      total += r + g + b;
    }
  context.putImageData(picture, 0, 0);
  plane.canvas.dataset.brightness = (total / (3 * wide * high)).toFixed(3);
}
