// Interactions of single maps: of one map with its partners, and of the maps of one site.

/** The pairs of maps at the chosen seed for which `kept` says so: maps by their number over all sites, and what was measured. */
function pairsOf(net, kept) {
  const prefix = `${net.place}/${seed}`;
  const count = columns[`${prefix}/pairs`]?.shape[0] ?? 0;
  return Array.from({ length: count }, (_, pair) => Array.from(at(`${prefix}/pairs`, pair)))
    .map(([a, b], pair) => {
      const [value, low, high, curvature, probability] = at(`${prefix}/pair`, pair);
      return { a, b, value, from: low, to: high, curvature, probability };
    })
    .filter(({ a, b }) => kept(a, b));
}

/** The site, numbered from 0, and the number within it of a map that is numbered over all sites. */
function placed(net, index) {
  const site = net.starts.findLastIndex((start) => start <= index);
  return { site, map: index - net.starts[site] };
}

function partnersSection(net, index) {
  const drawn = columns[`${net.place}/${seed}/pairs`]?.shape[0];
  const pairs = pairsOf(net, (a, b) => a === index || b === index);
  const command = (more = "") => el("code", {}, `pruning-oracle interactions ${net.name} --seed ${net.seeds[seed]}${more}`);
  const title = "What it interacts with";
  if (!drawn) return section("partners", title, el("p", {}, "No pairs were measured at this seed. This measures some: ", command()));
  if (!pairs.length)
    return section(
      "partners",
      title,
      el("p", {}, `None of the ${drawn} pairs that were drawn has this map. More pairs: `, command(` --pairs ${4 * drawn}`)),
    );
  const heads = [
    { title: "partner" },
    { title: "interaction, nats", number: true },
    { title: "95 % interval" },
    { title: "curvature's guess", number: true },
    { title: "drawn with probability", number: true },
  ];
  const rows = pairs.map((pair) => {
    const { site, map } = placed(net, pair.a === index ? pair.b : pair.a);
    return [
      { text: `map ${map} of ${net.sites[site].name}`, href: path(net.link, "site", site + 1, "map", map) },
      { text: nats(pair.value), value: pair.value },
      `${nats(pair.from)} to ${nats(pair.to)}`,
      { text: nats(pair.curvature), value: pair.curvature },
      { text: nats(pair.probability), value: pair.probability },
    ];
  });
  const sure = pairs.filter(({ from, to }) => from > 0 || to < 0).length;
  const note = `What the two cost together less what each costs alone; positive: each is worth more once the other has gone. ${sure} of ${pairs.length} have an interval over examples without 0. ${drawn} pairs of the network were drawn, likely large ones more often. Curvature is the guess without removal.`;
  return section(
    "partners",
    title,
    table({ name: "partners", label: title, columns: heads, rows, order: [1, "desc"] }).element,
    el("p", { className: "note" }, note),
  );
}

/** The pairs of maps of one site that were drawn, as a heat map; nothing where there are none. */
function sitePairsSection(net, place) {
  const inside = (index) => placed(net, index).site === place - 1;
  const pairs = pairsOf(net, (a, b) => inside(a) && inside(b));
  if (!pairs.length) return null;
  const rows = pairs.flatMap((pair) =>
    [
      [pair.a, pair.b],
      [pair.b, pair.a],
    ].map((ends) => {
      const [first, second] = ends.map((index) => placed(net, index).map);
      return { ...pair, place: first, second, what: `map ${first}`, other: `map ${second}`, said: spread(pair, nats) };
    }),
  );
  const most = [...pairs].sort((one, other) => Math.abs(other.value) - Math.abs(one.value))[0];
  return section(
    "pairs",
    "Which of its maps interact",
    figure({
      chart: "pairs",
      rows,
      title: `Pairs of maps of ${net.sites[place - 1].name}, seed ${net.seeds[seed]}`,
      finding: `${pairs.length} pairs of its maps were drawn; empty cells were not. The largest interaction is that of maps ${placed(net, most.a).map} and ${placed(net, most.b).map}, ${spread(most, nats)} nats. Click a cell to open a map.`,
      click: ({ place: map }) => map !== undefined && go(net.link, "site", place, "map", map),
    }),
  );
}
