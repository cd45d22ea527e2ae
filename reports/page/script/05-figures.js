// Figures: Vega-Lite charts drawn when they come into sight, in the theme's colours, saved as SVG or PNG.

const drawn = new Map(); // the figures on the page and their views, ended when the page shows something else
const waiting = new Map(); // figures that have not come into sight, and how each is drawn
const watcher = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) if (isIntersecting) draw(target);
  },
  { rootMargin: "300px" },
);

/**
 * A figure. `chart` names the specification, `rows` are what it shows, `finding` says in a sentence what it shows (also to
 * those who cannot see it), `axes` titles what the reader chose, `click` is called with the row of a mark that was clicked,
 * `scales` says what becomes of values by channel, `values` gives the chart's parameters. Its `show` changes the last three.
 */
function figure({ title, ...given }) {
  const { chart, rows, finding } = given;
  if (!rows.length) return el("p", { className: "note" }, el("b", {}, `${title}. `), finding);
  const canvas = el("div", { className: "chart scroll", tabIndex: 0, role: "region", "aria-label": title });
  const said = el("span", {}, finding);
  const made = el("figure", {}, canvas, el("figcaption", {}, el("b", {}, `${title}. `), said));
  let view;
  const tools = el(
    "div",
    { className: "tools", role: "group", "aria-label": `Figure: ${title}` },
    button("Save SVG", async () => save(await (await drawing()).toSVG(), `${chart}.svg`, "image/svg+xml")),
    button("Save PNG", async () => (await (await drawing()).toCanvas(3)).toBlob((blob) => save(blob, `${chart}.png`))),
    button("Copy data", () =>
      copy(csv([Object.keys(given.rows[0]), ...given.rows.map((row) => Object.values(row).map(String))]), "Data of the figure"),
    ),
  );
  made.append(tools);
  const drawing = () => {
    view ??= embed(canvas, given);
    drawn.set(made, view);
    return view;
  };
  made.show = (changed) => {
    Object.assign(given, changed, { values: { ...given.values, ...changed.values } });
    said.textContent = given.finding;
    view?.then((known) => changeView(known, changed));
  };
  waiting.set(made, drawing);
  watcher.observe(made);
  return made;
}

/** Shows other rows and other values of parameters in a view. */
function changeView(view, { rows, finding, values = {} }) {
  if (finding) view.description(finding);
  if (rows) view.data("rows", rows);
  for (const [name, value] of Object.entries(values)) view.signal(name, value);
  return view.runAsync();
}

function draw(made) {
  watcher.unobserve(made);
  const drawing = waiting.get(made);
  waiting.delete(made);
  return drawing?.();
}

/** Draws what has not come into sight either, one figure at a time while nothing else is to do: for print and search. */
function drawAhead() {
  const [made] = waiting.keys();
  if (made) Promise.resolve(draw(made)).finally(() => setTimeout(drawAhead, 100));
}

/** Puts other content into an element, and ends the figures in it. */
function replace(holder, ...content) {
  for (const made of holder.querySelectorAll("figure")) {
    drawn.get(made)?.then((view) => view.finalize());
    drawn.delete(made);
    waiting.delete(made);
    watcher.unobserve(made);
  }
  holder.replaceChildren(...content);
}

async function embed(canvas, { chart, rows, finding, axes = {}, click, seen, scales = {}, values = {} }) {
  const spec = themed(facts.charts[chart]);
  spec.description = finding;
  spec.data = { name: "rows" };
  spec.datasets = { rows };
  for (const one of spec.params ?? []) if (one.name in values) one.value = values[one.name];
  const width = Math.max(260, canvas.clientWidth - 8);
  for (const part of spec.vconcat ?? [spec]) {
    if (typeof part.width !== "object") part.width = width;
    else if (chart === "row" && rows.length * part.width.step < width) part.width = width - 70;
    titled(part, axes);
    for (const one of part.layer ?? [])
      for (const channel of ["color", "shape"])
        if (one.encoding?.[channel]?.legend && one.encoding[channel].type === "nominal" && !(channel in scales))
          legendOf(one.encoding[channel], rows, width);
    for (const one of part.layer ?? [])
      for (const [channel, scale] of Object.entries(scales)) {
        if (!one.encoding?.[channel]) continue;
        Object.assign(one.encoding[channel].scale, scale);
        if (one.encoding[channel].legend) one.encoding[channel].legend.columns = Math.max(1, Math.floor(width / 190));
      }
  }
  if (spec.layer && width < 700) for (const { encoding } of spec.layer) if (encoding) narrowed(encoding, width);
  const lines = { classes: "class", places: "criterion", dots: "what", compared: "what", smaller: "site" }[chart];
  const apart = chart === "compared" ? Math.min(3, Math.max(1, new Set(rows.map((row) => row.network)).size / 2)) : 1;
  if (lines) spec.height = spec.height.step * apart * new Set(rows.map((row) => row[lines])).size;
  const padded = { type: "fit-x", contains: "padding" };
  if (!spec.vconcat && typeof spec.width === "number") spec.autosize = padded;
  if (spec.vconcat) for (const part of spec.vconcat) part.width = width - 70;
  const { view } = await vegaEmbed(canvas, spec, {
    ast: true,
    actions: false,
    logLevel: 1,
    defaultStyle: false,
    renderer: "canvas",
    config: look(),
    tooltip: { disableDefaultStyle: true, theme: "custom" },
  });
  if (click) view.addEventListener("click", (event, item) => item?.datum && click(item.datum));
  seen?.(view);
  return view;
}

/** Lets a legend name what there is, in columns that fit; a single thing needs no legend. */
function legendOf(channel, rows, width) {
  const values = [...new Set(rows.map((row) => row[channel.field]))];
  if (channel.scale.domain) values.sort();
  else channel.scale.domain = values;
  Object.assign(channel.legend, { values, columns: Math.max(1, Math.floor(width / 190)) });
  if (values.length < 2) channel.legend = null;
}

/** Leaves a narrow chart room beside its labels. */
function narrowed({ y }, width) {
  if (y?.axis?.labelLimit) y.axis.labelLimit = Math.min(y.axis.labelLimit, Math.round(0.55 * width));
}

/** Puts the titles that the reader chose in place of `x` and `y`. */
function titled(part, axes) {
  for (const one of [part, ...(part.layer ?? [])])
    for (const [channel, title] of Object.entries(axes))
      if (one.encoding?.[channel]?.title === channel) one.encoding[channel].title = title;
}

const dark = () => document.documentElement.dataset.theme === "dark";

/** A specification in the theme's colours. */
function themed(spec) {
  let text = JSON.stringify(spec);
  if (dark()) text = text.replaceAll('"extent":[0,0.85]', '"extent":[0.3,1]');
  if (dark()) for (const { light, dark: other } of facts.families) text = text.replaceAll(light, other);
  return JSON.parse(text);
}

/** How charts look in this theme. */
function look() {
  const style = getComputedStyle(document.documentElement);
  const [text, line, mark, page] = ["--text", "--line", "--accent", "--page"].map((name) =>
    style.getPropertyValue(name).trim(),
  );
  const words = { labelColor: text, titleColor: text, labelFontSize: 11, titleFontSize: 12, titleFontWeight: "normal" };
  return {
    background: page,
    font: "system-ui, sans-serif",
    view: { stroke: line },
    axis: { ...words, gridColor: line, gridOpacity: 0.6, domainColor: line, tickColor: line },
    legend: words,
    title: { color: text },
    point: { fill: undefined, color: mark },
    bar: { color: mark },
    rule: { color: text },
    tick: { color: text },
    line: { color: text },
    rect: { color: mark },
  };
}

addEventListener("beforeprint", () => [...waiting.keys()].forEach(draw));
