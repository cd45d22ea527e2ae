// A network: its sites, and its criteria at every site.

let seed = 0; // the place of the seed whose maps are shown, as the link has it

function networkView(net) {
  const rows = net.rows.filter(({ tied }) => tied).map(({ criterion }) => criterion);
  const lead = `${net.maps} maps at ${net.sites.length} sites. Best per site on fresh examples: ${rows.join(", ")}${rows.length > 1 ? ", which cannot be told apart" : ""}. Noise ceiling ${number(net.ceiling)}. Measured on ${net.said}. ${net.why_none}`;
  return [
    el("h1", {}, net.name),
    el("p", { className: "lead" }, lead),
    seedChoice(net),
    prunedLink(net.name),
    sitesSection(net),
    heatSection(net),
    brushSection(net),
    likenessSection(net),
    ...studySections(net),
  ];
}

function seedChoice(net) {
  return net.seeds.length < 2
    ? null
    : choice(
        "Maps of seed",
        net.seeds.map((value, place) => [String(place), String(value)]),
        String(seed),
        (value) => go(linkOf(net, Number(value)), ...here().slice(1)),
      );
}

function sitesSection(net) {
  const maps = mapsOf(net, seed);
  const rows = net.sites.map((site, place) => {
    const own = maps.slice(net.starts[place], net.starts[place] + site.maps).map(({ change }) => change);
    const best = net.criteria
      .filter((name) => net.scored.includes(name))
      .map((name) => [agreement(net, name, place), name])
      .filter(([{ value }]) => !Number.isNaN(value))
      .sort(([a], [b]) => b.value - a.value)[0];
    const mean = own.reduce((sum, value) => sum + Math.abs(value), 0) / own.length;
    return [
      { text: `${place + 1} ${site.name}`, href: path(net.link, "site", place + 1), value: place },
      { text: String(site.maps), value: site.maps },
      { text: nats(site.mflops), value: site.mflops },
      { text: nats(mean), value: mean },
      { text: nats(Math.max(...own)), value: Math.max(...own) },
      {
        text: `${Math.round((100 * own.filter((value) => value < 0).length) / own.length)} %`,
        value: own.filter((value) => value < 0).length / own.length,
      },
      { text: number(ceiling(net, place)), value: ceiling(net, place) },
      best ? { text: `${best[1]} ${number(best[0].value)}`, href: path("criterion", best[1]) } : "undefined",
    ];
  });
  const heads = [
    { title: "site", number: true },
    { title: "maps", number: true },
    { title: "MFLOPs of a map", number: true },
    {
      title: "mean |change|, nats",
      number: true,
      says: "sensitivity: the mean magnitude of the change in loss when one map goes",
    },
    { title: "largest change, nats", number: true },
    { title: "maps that hurt", number: true, says: "their removal lowers the loss" },
    { title: "noise ceiling", number: true },
    { title: "best criterion" },
  ];
  return section(
    "sites",
    "Sites, from the input to the output",
    table({ name: `${net.name}-sites`, label: `Sites of ${net.name}`, columns: heads, rows }).element,
  );
}

function heatSection(net) {
  const names = ordered(net, net.criteria);
  const titles = net.sites.map((site, place) => `${place + 1} ${site.name}`);
  const rows = names
    .flatMap((name) =>
      titles.map((site, place) => {
        const of = agreement(net, name, place);
        return { criterion: marked(name), name, site, place: place + 1, value: defined(of.value), said: spread(of) };
      }),
    )
    .concat(
      titles.map((site, place) => ({
        criterion: "noise ceiling",
        site,
        place: place + 1,
        value: defined(ceiling(net, place)),
        said: number(ceiling(net, place)),
      })),
    );
  const best = net.rows.find(({ control }) => !control).criterion;
  const worst = rows.filter(({ value, name }) => value !== null && name === best).sort((a, b) => a.value - b.value)[0];
  return section(
    "heat-map",
    "Where each criterion works",
    figure({
      chart: "heat",
      rows,
      title: `Agreement of every criterion at every site of ${net.name}`,
      click: ({ place }) => go(net.link, "site", place),
      finding: `Spearman with oracle_abs on fresh examples; purple is against, orange with the oracle, empty is undefined. Even ${best}, the best on average, falls to ${worst?.said ?? "undefined"} at ${worst?.site ?? "every site"}. Click a cell to open its site.`,
    }),
  );
}
