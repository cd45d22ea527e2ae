// The page's data, unpacked once from one block: facts, and columns as typed arrays. `pack.py` tells how they are packed.

let facts, columns, checked;

/** Unpacks the block, checks its SHA-256 where the browser can, and fills `facts` and `columns`. */
async function unpack(holder) {
  const packed = Uint8Array.from(atob(holder.textContent.trim()), (letter) => letter.charCodeAt(0));
  checked = await digest(packed);
  if (checked && checked !== holder.dataset.sha256) throw new Error("The page's data are damaged: their checksum differs.");
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  let start = 4 + new DataView(bytes.buffer).getUint32(0, true);
  facts = JSON.parse(new TextDecoder().decode(bytes.subarray(4, start)));
  columns = {};
  for (const [name, { type, shape }] of Object.entries(facts.columns)) {
    const count = shape.reduce((product, size) => product * size, 1);
    const values = joined(bytes.subarray(start, start + 4 * count), count);
    columns[name] = { values: type === "f" ? new Float32Array(values) : new Int32Array(values), shape };
    start += 4 * count;
  }
}

/** Numbers whose bytes lie ordered by significance, as one buffer. */
function joined(planes, count) {
  const bytes = new Uint8Array(4 * count);
  for (let plane = 0; plane < 4; plane++)
    for (let place = 0; place < count; place++) bytes[4 * place + plane] = planes[plane * count + place];
  return bytes.buffer;
}

/** SHA-256 as hexadecimal digits; undefined where the browser offers none, as over plain http. */
async function digest(bytes) {
  if (!globalThis.crypto?.subtle) return undefined;
  const hash = await crypto.subtle.digest("SHA-256", bytes);
  return Array.from(new Uint8Array(hash), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A number, or the row of numbers, at places of a column; undefined if there is no such column. */
function at(name, ...places) {
  const column = columns[name];
  if (!column) return undefined;
  let start = 0;
  let size = column.values.length;
  places.forEach((place, axis) => {
    size /= column.shape[axis];
    start += place * size;
  });
  return places.length === column.shape.length ? column.values[start] : column.values.subarray(start, start + size);
}

/** All facts and columns as one JSON text, for people who want the data. */
function asJson() {
  const plain = Object.entries(columns).map(([name, { values, shape }]) => [name, { shape, values: Array.from(values) }]);
  return JSON.stringify({ ...facts, charts: undefined, columns: Object.fromEntries(plain) });
}
