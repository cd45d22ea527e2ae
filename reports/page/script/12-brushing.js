// The maps of a network in two views that share one brush, and which criteria say the same.

const chosen = { x: "", y: ORACLE, site: "" };

function brushSection(net) {
  const options = [
    [ORACLE, "oracle_abs: |change in loss|"],
    ["signed", "oracle_loss: change in loss"],
    ...ordered(
      net,
      net.criteria.filter((name) => net.scored.includes(name)),
    ).map((name) => [name, name]),
  ];
  if (!net.scored.includes(chosen.x)) chosen.x = net.rows.find(({ criterion }) => net.scored.includes(criterion)).criterion;
  if (![ORACLE, "signed"].includes(chosen.y) && !net.scored.includes(chosen.y)) chosen.y = ORACLE;
  const [holder, list] = [el("div"), el("div", { "aria-live": "polite" })];
  const sites = net.sites.map(({ name }, place) => [`${place + 1}`, `${place + 1} ${name}`]);
  if (!sites[chosen.site - 1]) chosen.site = "";
  const show = () => {
    const [xs, ys] = ["x", "y"].map((axis) => placesWithin(net, scores(net, seed, chosen[axis])));
    const all = mapsOf(net, seed).map((map) => ({
      ...map,
      site: `${map.place} ${map.site}`,
      x: xs[map.index],
      y: ys[map.index],
      along: map.place + 0.8 * ((map.map * 0.618) % 1) - 0.4, // its site's number, spread so that maps stand apart
    }));
    const rows = chosen.site ? all.filter(({ place }) => `${place}` === chosen.site) : all;
    listMaps(net, chosen.site ? rows : [], list);
    const label = (axis) => options.find(([value]) => value === chosen[axis])[1];
    replace(
      holder,
      figure({
        chart: "brushed",
        rows,
        axes: { x: `place within its site by ${label("x")}`, y: `place by ${label("y")}` },
        title: `Maps of ${net.name}, seed ${net.seeds[seed]}`,
        seen: (view) => listBrushed(view, net, rows, list),
        click: ({ place, map }) => place && go(net.link, "site", place, "map", map),
        finding: `The costliest map is ${costliest(rows)}. Drag over maps in one view, or choose a site, to see them in the other, and listed below; click one to open it.`,
      }),
    );
  };
  show();
  const set = (axis) => (value) => {
    chosen[axis] = value;
    show();
  };
  return section(
    "maps",
    "Maps: change in loss, and any two scores",
    el("div", { className: "bar" }, choice("Across", options, chosen.x, set("x")), choice("Up", options, chosen.y, set("y")), choice("Maps of", [["", "all sites"], ...sites], chosen.site, set("site"))),
    holder,
    list,
  );
}

function costliest(rows) {
  const most = [...rows].sort((a, b) => b.change - a.change)[0];
  return `map ${most.map} of site ${most.site}, ${nats(most.change)} [${nats(most.low)}, ${nats(most.high)}] nats`;
}

function listBrushed(view, net, rows, list) {
  const show = (value) => {
    const ranges = Object.entries(value ?? {});
    if (!ranges.length) return listMaps(net, chosen.site ? rows : [], list);
    const inside = (row) =>
      ranges.every(([field, range]) =>
        typeof range[0] === "number"
          ? row[field] >= Math.min(...range) && row[field] <= Math.max(...range)
          : range.includes(row[field]),
      );
    return listMaps(net, rows.filter(inside), list);
  };
  view.addSignalListener("brush", (name, value) => show(value));
}

function listMaps(net, maps, list) {
  list.replaceChildren(...(maps.length ? [mapsTable(net, maps.slice(0, 100), "brushed")] : []));
}

function mapsTable(net, maps, name) {
  const heads = [{ title: "map", number: true }, { title: "change in loss, nats", number: true }, { title: "95 % interval" }];
  const rows = maps.map(({ site, place, map, index, change, low, high }) => [
    {
      text: name.startsWith("site") ? `map ${map}` : `map ${map} of ${site}`,
      href: path(net.link, "site", place, "map", map),
      value: index,
    },
    { text: nats(change), value: change },
    `${nats(low)} to ${nats(high)}`,
  ]);
  return table({
    name: `${net.name}-${name}`,
    label: `Maps of ${net.name}`,
    columns: heads,
    rows,
    order: [1, "desc"],
    high: true,
  }).element;
}

function likenessSection(net) {
  const names = ordered(
    net,
    net.criteria.filter((name) => net.scored.includes(name)),
  );
  const grid = names.map((name) => at(`${net.place}/likeness`, net.scored.indexOf(name)));
  const rows = names.flatMap((name, place) =>
    names.map((other) => {
      const value = grid[place][net.scored.indexOf(other)];
      return { criterion: name, other, value: defined(value), said: number(value) };
    }),
  );
  const same = rows
    .filter(({ criterion, other, value }) => criterion < other && value > 0.999)
    .map(({ criterion, other }) => `${criterion} and ${other}`);
  return section(
    "alike",
    "Which criteria say the same",
    figure({
      chart: "likeness",
      rows,
      title: `Likeness of criteria on ${net.name}`,
      click: ({ criterion }) => go("criterion", criterion),
      finding: `Spearman of two criteria's scores within each site, mean over sites. Ranking a site's maps alike (above 0.999): ${same.join(", ") || "none"}. Click a cell to open a criterion.`,
    }),
  );
}
