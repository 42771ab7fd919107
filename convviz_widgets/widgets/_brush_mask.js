// The mask of the brush: one byte per pixel of the photo, stamps and boxes.

/** What is left of the brush at a distance from its middle, 0 to 1. @param {number} distance @param {number} radius @param {number} hardness 0 to 1 */
function brush_profile(distance, radius, hardness) {
  const core = radius * hardness;
  const soft = Math.max(1, radius - core); // even the hardest brush has an edge of one pixel
  return Math.max(0, Math.min(1, (radius + (hardness === 1 ? 0.5 : 0) - distance) / soft));
}

/**
 * One stamp of the brush.
 * @param {Uint8Array} mask @param {[number, number]} size rows, columns @param {number} x @param {number} y of the middle, in pixels @param {{size: number, hardness: number, erase: boolean}} brush
 */
function stamp(mask, [height, width], x, y, brush) {
  const radius = brush.size / 2;
  for (let row = Math.max(0, Math.floor(y - radius - 1)); row < Math.min(height, y + radius + 1); row += 1) {
    for (let column = Math.max(0, Math.floor(x - radius - 1)); column < Math.min(width, x + radius + 1); column += 1) {
      const value = Math.round(255 * brush_profile(Math.hypot(column + 0.5 - x, row + 0.5 - y), radius, brush.hardness));
      const place = row * width + column;
      mask[place] = brush.erase ? Math.min(mask[place], 255 - value) : Math.max(mask[place], value);
    }
  }
}

/** Stamps along a line, close enough to leave no gaps. @param {Uint8Array} mask @param {[number, number]} size @param {number[]} from x, y @param {number[]} to x, y @param {any} brush */
function stroke_line(mask, size, from, to, brush) {
  const steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1]) / Math.max(0.5, brush.size / 8)));
  for (let step = 1; step <= steps; step += 1) {
    const part = step / steps;
    stamp(mask, size, from[0] + part * (to[0] - from[0]), from[1] + part * (to[1] - from[1]), brush);
  }
}

/** A box between two corners. @param {Uint8Array} mask @param {[number, number]} size @param {number[]} from x, y @param {number[]} to x, y @param {boolean} erase */
function stamp_box(mask, [height, width], from, to, erase) {
  const edge = (/** @type {number} */ value, /** @type {number} */ most) => Math.max(0, Math.min(most, Math.round(value)));
  const [left, right] = [from[0], to[0]].sort((a, b) => a - b).map((value) => edge(value, width));
  const [top, bottom] = [from[1], to[1]].sort((a, b) => a - b).map((value) => edge(value, height));
  for (let row = top; row < bottom; row += 1) mask.fill(erase ? 0 : 255, row * width + left, row * width + right);
}
