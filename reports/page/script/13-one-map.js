// A map: its change over examples, its classes and examples, its place under each criterion.

function mapView(net, place, map) {
  const site = net.sites[place - 1];
  const index = net.starts[place - 1] + map;
  const own = mapsOf(net, seed)[index];
  const ranks = mapsOf(net, seed)
    .slice(net.starts[place - 1], net.starts[place - 1] + site.maps)
    .filter(({ change }) => Math.abs(change) > Math.abs(own.change)).length;
  const said = `${nats(own.change)} nats [${nats(own.low)}, ${nats(own.high)}]`;
  const lead = `Removing this map changes the loss by ${said}, mean over ${net.examples} examples with its 95 % interval${net.estimated}: place ${ranks + 1} of ${site.maps} at its site, largest magnitude first. `;
  const sentence = `Removing map ${map} of site ${place} (${site.name}) of ${net.name}, seed ${net.seeds[seed]}, changes the loss by ${said} (mean over n = ${net.examples} examples, 95 % bootstrap interval).`;
  return [
    el("h1", {}, `Map ${map} of ${site.name}`),
    el("p", { className: "lead" }, lead, citing(sentence)),
    seedChoice(net),
    neighbours(net, place, map),
    net.estimated
      ? el(
          "p",
          { className: "note" },
          "Changes of single examples, and means by class, are predictions where a pair was not measured.",
        )
      : null,
    examplesSection(net, index),
    histogramSection(net, index, own),
    classesSection(net, index),
    placesSection(net, place - 1, map),
    alikeSection(net, place, index),
    partnersSection(net, index),
  ];
}

function className(net, label) {
  return net.class_names?.[label] ?? `class ${label}`;
}

function examplesSection(net, index) {
  const prefix = `${net.place}/${seed}`;
  const [needed, changes, rows, labels] = [
    at(`${prefix}/needed`, index),
    at(`${prefix}/needed_change`, index),
    columns[`${prefix}/rows`]?.values,
    columns[`${prefix}/labels`]?.values,
  ];
  const shown = Array.from(needed, (example, rank) => ({
    number: rows ? rows[example] : example,
    label: labels ? className(net, labels[example]) : null,
    example,
    change: changes[rank],
  }));
  const heads = [
    { title: rows ? "training example" : "oracle's example", number: true },
    { title: "change, nats", number: true },
    ...(labels ? [{ title: "class" }] : []),
  ];
  const lines = shown.map(({ number: place, label, change }) => [
    { text: String(place), value: place },
    { text: nats(change), value: change },
    ...(labels ? [label] : []),
  ]);
  const label = "Examples whose loss rises most without this map";
  return section(
    "examples",
    "The examples that need it most",
    gallery(net, shown),
    table({ name: "examples", label, columns: heads, rows: lines, order: [1, "desc"] }).element,
  );
}

/** Pictures of examples, most needed first, each with its class and its change; nothing where the page holds none. */
function gallery(net, shown) {
  const places = net.pictures[seed];
  const pictured = shown.filter(({ example }) => example in places);
  if (!pictured.length) return null;
  const items = pictured.map(({ number: place, label, example, change }) => {
    const alt = [`training example ${place}`, label && net.class_names ? `class ${label}` : label].filter(Boolean).join(", ");
    const image = el("img", { src: facts.images[places[example]], alt, title: alt, className: "picture" });
    const of = label === null ? null : el("span", { className: "of" }, label);
    return el("li", {}, image, of, el("span", {}, `${nats(change)} nats`));
  });
  const about = "As the network sees them, colours stretched; of a film a few frames. Below each its class, and the change in its loss.";
  return el("div", {}, el("ul", { className: "gallery", role: "list" }, items), el("p", { className: "note" }, about));
}

function histogramSection(net, index, own) {
  const prefix = `${net.place}/${seed}`;
  const [counts, [first, last]] = [at(`${prefix}/histogram`, index), at(`${prefix}/edges`, index)];
  const width = (last - first) / counts.length;
  const rows = Array.from(counts, (count, bin) => ({
    from: first + bin * width,
    to: first + (bin + 1) * width,
    count,
    mean: own.change,
    low: own.low,
    high: own.high,
  })).filter(({ count }) => count);
  const most = Math.max(...counts);
  return section(
    "change",
    "Its change over examples",
    figure({
      chart: "histogram",
      rows,
      title: "Examples by change in loss",
      finding: `The fullest of ${counts.length} equal steps holds ${most} of ${net.examples} examples; the largest change is ${nats(last)} and the smallest ${nats(first)} nats. The line is the mean, ${nats(own.change)}, the band its 95 % interval.`,
    }),
  );
}

function classesSection(net, index) {
  const prefix = `${net.place}/${seed}`;
  const order = at(`${prefix}/class_of`, index);
  if (!order) return section("classes", "By class", el("p", {}, "The run does not hold the examples' classes."));
  const values = at(`${prefix}/class_change`, index);
  const rows = Array.from(order, (which, rank) => {
    const [label, n] = at(`${prefix}/classes`, which);
    const [mean, low, high] = values.subarray(3 * rank, 3 * rank + 3);
    const guessed = n - at(`${prefix}/class_measured`, index, rank);
    const interval = Number.isNaN(low) ? (guessed ? `undefined: ${guessed} predicted` : "undefined: one example") : null;
    return {
      name: className(net, label),
      class: `${className(net, label)} (n = ${n})`,
      n,
      mean,
      low: defined(low),
      high: defined(high),
      interval: interval ?? `${nats(low)} to ${nats(high)}`,
      said: `${nats(mean)}, 95 % interval ${interval ?? `${nats(low)} to ${nats(high)}`}`,
    };
  });
  const count = columns[`${prefix}/classes`].shape[0];
  const heads = [
    { title: "class" },
    { title: "examples", number: true },
    { title: "mean change, nats", number: true },
    { title: "95 % interval" },
  ];
  const lines = rows.map((row) => [
    row.name,
    { text: String(row.n), value: row.n },
    { text: nats(row.mean), value: row.mean },
    row.interval,
  ]);
  const sure = rows.filter(({ low }) => low > 0).map(({ name }) => name);
  return section(
    "classes",
    "By class",
    figure({
      chart: "classes",
      rows,
      title: "Change in loss by class",
      finding: `${sure.length ? `Needed, with an interval above 0, by ${sure.join(", ")}` : "No class needs it with an interval above 0"}. Intervals are Student's, by the number n of examples of the class; of the largest of many, some are so by chance${rows.length < count ? `; shown are the ${rows.length} of ${count} classes that need it most` : ""}.`,
    }),
    table({ name: "classes", label: "Change in loss by class", columns: heads, rows: lines, order: [2, "desc"] }).element,
  );
}

function placesSection(net, site, map) {
  const names = ordered(
    net,
    net.criteria.filter((name) => net.scored.includes(name)),
  );
  const truth = placesAt(net, scores(net, seed, ORACLE), site)[map];
  const rows = names.map((name) => {
    const place = placesAt(net, scores(net, seed, name), site)[map];
    return { criterion: name, family: family(name), place, said: number(place), truth };
  });
  const off = [...rows].sort((a, b) => Math.abs(b.place - truth) - Math.abs(a.place - truth))[0];
  return section(
    "criteria",
    "Its place under each criterion",
    figure({
      chart: "places",
      rows,
      title: "Place within its site",
      click: ({ criterion }) => go("criterion", criterion),
      finding: `The oracle puts it at ${number(truth)} (dashed; 0 is the least, 1 the most important); most wrong is ${off.criterion} with ${off.said}.`,
    }),
  );
}

function alikeSection(net, place, index) {
  const prefix = `${net.place}/${seed}`;
  const [maps, by] = [at(`${prefix}/alike`, index), at(`${prefix}/alike_by`, index)];
  const heads = [
    { title: "map", number: true },
    { title: "correlation over examples", number: true },
  ];
  const rows = Array.from(maps)
    .map((map, rank) => [
      { text: `map ${map}`, value: map, href: path(net.link, "site", place, "map", map) },
      { text: number(by[rank]), value: by[rank] },
    ])
    .filter((_, rank) => maps[rank] >= 0);
  return section(
    "alike",
    "Maps that the same examples need",
    el(
      "p",
      {},
      "Maps of this site whose change in loss goes along with this one's over examples. What two maps cost together is measured by joint losses, not here.",
    ),
    table({ name: "alike", label: "Maps that the same examples need", columns: heads, rows, order: [1, "desc"] }).element,
  );
}
