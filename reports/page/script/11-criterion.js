// A criterion: its card, its row over all sites and networks, its scatter against the oracle, what ranks alike, where it fails.

function criterionView(name) {
  const nets = facts.networks.map((one) => network(one.name)).filter((net) => net.criteria.includes(name));
  const card = facts.criteria[name];
  return [
    el("h1", {}, swatch(name), " ", marked(name)),
    cardOf(name, card),
    agreementSection(name, nets),
    ...perNetwork(name, nets),
    failing(name, nets),
  ];
}

function cardOf(name, card) {
  const formula = document.getElementById(`formula-${name}`)?.content.cloneNode(true);
  const reads = card.needs.length ? card.needs.join(", ") : !card.unit ? "the oracle" : card.family === "Controls" ? "nothing" : "the weights alone";
  const pairs = [
    ["Family", card.family],
    ["Reads", reads],
    ["Reduced over examples by", card.reduce],
    ["Unit", card.unit],
    ["Source", card.source],
    ["Defined in", card.file],
    ["Order of examples matters", card.order],
  ];
  return el(
    "div",
    { className: "card" },
    el("p", { className: "lead" }, card.says),
    formula ? el("p", { className: "formula" }, formula) : null,
    el(
      "dl",
      {},
      pairs
        .filter(([, text]) => text)
        .map(([term, text]) => [el("dt", {}, term), el("dd", {}, text)])
        .flat(),
    ),
  );
}

function agreementSection(name, nets) {
  const heads = [
    { title: "network" },
    { title: "per site, fresh", number: true },
    { title: "place", number: true },
    { title: "behind the best", number: true },
    { title: "ceiling", number: true },
    { title: "per site, shared", number: true },
    { title: "all sites, fresh", number: true },
    { title: "all sites, ℓ2, fresh", number: true },
    { title: "¼ removed, nats", number: true },
    { title: "price, passes", number: true },
  ];
  const rows = nets.map((net) => {
    const row = net.rows.find(({ criterion }) => criterion === name);
    const scope = net.sites.length + MEAN;
    const cell = (of) => ({ text: spread(of), value: of.value });
    const others = net.rows.filter(({ criterion }) => criterion === name || family(criterion) !== "Controls");
    const place = 1 + others.filter(({ value }) => value > row.value).length;
    return [
      { text: net.name, href: path(net.link) },
      { ...cell(row), text: spread(row), extra: { after: citing(cited(net, name, row)) } },
      { text: row.value === null ? "undefined" : `${place} of ${others.length}`, value: -place },
      row.tied === undefined
        ? ""
        : {
            text: `${row.tied ? "≈ " : ""}${number(row.behind, 3)} [${number(row.low, 3)}, ${number(row.high, 3)}]`,
            value: row.behind,
          },
      { text: number(net.ceiling), value: net.ceiling },
      cell(agreement(net, name, scope, "shared")),
      cell(agreement(net, name, scope + 1)),
      cell(agreement(net, name, scope + 2)),
      { text: row.quarter ? spread(row.quarter, nats) : "not tried", value: row.quarter?.value },
      { text: passes(row.passes), value: row.passes },
    ];
  });
  const note =
    "Spearman with oracle_abs. Per site: within each site, mean over sites. Fresh examples are ones that the oracle never saw. Place: among the criteria, controls left out. Behind the best: the mean over seeds of the difference to the network's best criterion, paired over examples, so that it need not equal the difference of two medians; ≈: cannot be told apart from it.";
  return section(
    "agreement",
    "Agreement on every network",
    table({ name: `${name}-agreement`, label: `Agreement of ${name} on every network`, columns: heads, rows }).element,
    el("p", { className: "note" }, note),
  );
}

function perNetwork(name, nets) {
  const holders = [el("div"), el("div"), el("div")];
  let seed = 0;
  const show = (chosen) => {
    const net = network(chosen);
    replace(holders[0], rowFigure(name, net));
    if (!net.scored.includes(name))
      return holders
        .slice(1)
        .forEach((holder) =>
          replace(
            holder,
            el(
              "p",
              {},
              "The oracle on few examples is taken from the oracle itself, in many draws: it has no single score per map.",
            ),
          ),
        );
    replace(holders[1], scatterFigure(name, net, seed));
    replace(holders[2], alikeTable(name, net));
    return undefined;
  };
  show(nets[0].name);
  const pick = choice(
    "Network",
    nets.map((net) => net.name),
    nets[0].name,
    show,
  );
  return [
    section("sites", "At every site", pick, holders[0]),
    section("scatter", "Against the oracle, map by map", holders[1]),
    section("alike", "What ranks like it", holders[2]),
  ];
}

function rowFigure(name, net) {
  const rows = net.sites.map((site, place) => {
    const of = agreement(net, name, place);
    return {
      network: net.name,
      site: `${place + 1} ${site.name}`,
      place: place + 1,
      value: defined(of.value),
      from: defined(of.from),
      to: defined(of.to),
      said: spread(of),
      ceiling: defined(ceiling(net, place)),
    };
  });
  const known = rows.filter(({ value }) => value !== null).sort((a, b) => a.value - b.value);
  const finding = known.length
    ? `${name} does worst at site ${known[0].site} (${known[0].said}) and best at ${known.at(-1).site} (${known.at(-1).said}). Bars are ${spreadSaid(net)}; ticks are the noise ceiling. Click a point to open its site.`
    : "Undefined at every site.";
  return figure({
    chart: "row",
    rows,
    title: `${name} at every site of ${net.name}`,
    finding,
    click: ({ place }) => go(net.link, "site", place),
  });
}

const defined = (value) => (value === undefined || Number.isNaN(value) || !Number.isFinite(value) ? null : value);

function scatterFigure(name, net, seed) {
  const [guess, truth] = [name, ORACLE].map((which) => placesWithin(net, scores(net, seed, which)));
  const rows = mapsOf(net, seed).map(({ site, place, map, index }) => ({ site, place, map, x: guess[index], y: truth[index] }));
  const far = [...rows].sort((a, b) => Math.abs(b.x - b.y) - Math.abs(a.x - a.y))[0];
  return figure({
    chart: "score",
    rows,
    axes: { x: `place by ${name} within its site`, y: "place by the oracle within its site" },
    title: `Maps of ${net.name}, seed ${net.seeds[seed]}`,
    click: ({ place, map }) => go(net.link, "site", place, "map", map),
    finding: `A good criterion is a diagonal. It is most wrong about map ${far.map} of site ${far.place} (${far.site}): place ${number(far.x)} instead of ${number(far.y)}. Hover for names, click to open a map.`,
  });
}

function alikeTable(name, net) {
  const row = at(`${net.place}/likeness`, net.scored.indexOf(name));
  const rows = net.scored
    .map((other, place) => [named(other), { text: number(row[place], 3), value: row[place] }])
    .filter((_, place) => net.scored[place] !== name);
  const heads = [{ title: "criterion" }, { title: "Spearman of the two, per site", number: true }];
  return table({
    name: `${name}-alike`,
    label: `Criteria that rank like ${name} on ${net.name}`,
    columns: heads,
    rows,
    order: [1, "desc"],
    high: true,
  }).element;
}

function failing(name, nets) {
  const rows = nets
    .flatMap((net) =>
      net.sites.map((site, place) => ({ net, site, place, of: agreement(net, name, place), best: ceiling(net, place) })),
    )
    .filter(({ of }) => !Number.isNaN(of.value))
    .sort((a, b) => a.of.value - b.of.value)
    .slice(0, 10)
    .map(({ net, site, place, of, best }) => [
      { text: `${net.name}, site ${place + 1}: ${site.name}`, href: path(net.link, "site", place + 1) },
      { text: spread(of), value: of.value },
      { text: number(best), value: best },
      { text: String(site.maps), value: site.maps },
    ]);
  const heads = [
    { title: "site" },
    { title: "agreement", number: true },
    { title: "noise ceiling", number: true },
    { title: "maps", number: true },
  ];
  return section(
    "fails",
    "Where it fails",
    table({ name: `${name}-fails`, label: `Sites where ${name} agrees least`, columns: heads, rows }).element,
  );
}
