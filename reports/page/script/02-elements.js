// Elements and texts. Whatever comes from data becomes text content or an attribute, never markup.

/** An element with properties (`data-…`, `aria-…` and `role` as attributes) and children: elements or text. */
function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name in made && !name.includes("-")) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/** A number as people read it; `undefined` where it has no meaning, never 0. */
function number(value, decimals = 2) {
  if (value === null || value === undefined || Number.isNaN(value)) return "undefined";
  return value.toFixed(decimals).replace("-", "−");
}

/** A change in loss in nats, with so many digits that count. */
function nats(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "undefined";
  const size = Math.abs(value);
  const whole = size >= 10 ** digits && size < 1e5;
  const power = size > 0 && (size < 0.001 || size >= 1e5);
  const text = whole ? value.toFixed(0) : power ? value.toExponential(digits - 1) : value.toPrecision(digits);
  return text.replaceAll("-", "−");
}

/** A change in loss in nats as the first table has it, with two digits. */
const fewNats = (value) => nats(value, 2);

/** Forward passes: two digits that count below ten, then whole ones. */
function passes(value) {
  return value === null || value === undefined ? "undefined" : value < 10 ? value.toFixed(value < 1 ? 2 : 1) : value.toFixed(0);
}

/** A value with its 95 % interval in brackets or, where it is a median over seeds, with their range in parentheses. */
function spread(of, form = number) {
  if (!of || of.value === null || of.value === undefined || Number.isNaN(of.value)) return "undefined";
  if (of.from === null || of.from === undefined || Number.isNaN(of.from)) return form(of.value);
  return of.seeds > 1
    ? `${form(of.value)} (${form(of.from)} to ${form(of.to)})`
    : `${form(of.value)} [${form(of.from)}, ${form(of.to)}]`;
}

/** The middle one of some numbers, those that are defined; NaN without any. */
function median(values) {
  const known = Array.from(values)
    .filter((value) => !Number.isNaN(value))
    .sort((a, b) => a - b);
  const middle = known.length >> 1;
  return known.length ? (known.length % 2 ? known[middle] : (known[middle - 1] + known[middle]) / 2) : Number.NaN;
}

/** Ranks from 0 for the least to 1 for the largest of some numbers; equal ones share theirs. */
function places(values) {
  const order = Array.from(values.keys()).sort((a, b) => values[a] - values[b]);
  const found = new Float64Array(values.length);
  for (let first = 0; first < order.length; ) {
    let last = first;
    while (last + 1 < order.length && values[order[last + 1]] === values[order[first]]) last++;
    for (let place = first; place <= last; place++) found[order[place]] = (first + last) / 2 / Math.max(1, order.length - 1);
    first = last + 1;
  }
  return found;
}

/** A labelled choice among options, texts or [value, text]. */
function choice(label, options, chosen, change) {
  const pairs = options.map((option) => (Array.isArray(option) ? option : [option, option]));
  const list = el(
    "select",
    { onchange: () => change(list.value) },
    pairs.map(([value, text]) => el("option", { value }, text)),
  );
  list.value = chosen;
  return el("label", { className: "field" }, el("span", {}, label), list);
}

/** A section with a heading whose link opens it. */
function section(id, title, ...children) {
  const link = el(
    "a",
    { href: `#${[...here(), id].map(encodeURIComponent).join("/")}`, className: "anchor", "aria-label": `Link to: ${title}` },
    "#",
  );
  return el("section", { "data-section": id }, el("h2", {}, title, " ", link), ...children);
}
