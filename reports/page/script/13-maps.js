// A site with its maps and the criteria at it, and the links to its neighbours.

function siteView(net, place) {
  const site = net.sites[place - 1];
  const maps = mapsOf(net, seed).slice(net.starts[place - 1], net.starts[place - 1] + site.maps);
  const rows = net.criteria.map((name) => {
    const of = agreement(net, name, place - 1);
    const shared = agreement(net, name, place - 1, "shared");
    return [
      named(name),
      { text: spread(of), value: of.value, extra: { after: citing(cited(net, name, of, `site ${place}, ${site.name}`)) } },
      { text: spread(shared), value: shared.value },
    ];
  });
  const heads = [
    { title: "criterion" },
    { title: "Spearman, fresh", number: true },
    { title: "Spearman, shared", number: true },
  ];
  const lead = `Site ${place} of ${net.sites.length}: ${site.maps} maps made by ${(site.convolutions ?? []).join(", ")}; making one takes ${nats(site.mflops)} MFLOPs. Noise ceiling ${number(ceiling(net, place - 1))}.`;
  return [
    el("h1", {}, `${site.name}`),
    el("p", { className: "lead" }, lead),
    seedChoice(net),
    neighbours(net, place),
    section("maps", "Its maps", mapsTable(net, maps, `site-${place}`)),
    section(
      "agreement",
      "Criteria at this site",
      table({
        name: `${net.name}-site-${place}`,
        label: `Agreement at ${site.name}`,
        columns: heads,
        rows,
        order: [1, "desc"],
        high: true,
      }).element,
    ),
    sitePairsSection(net, place),
  ];
}

function neighbours(net, place, map) {
  const link = (text, ...parts) => el("a", { href: path(net.link, ...parts) }, text);
  const both =
    map === undefined
      ? [
          place > 1 && link("← site before", "site", place - 1),
          place < net.sites.length && link("site after →", "site", place + 1),
        ]
      : [
          map > 0 && link("← map before", "site", place, "map", map - 1),
          map + 1 < net.sites[place - 1].maps && link("map after →", "site", place, "map", map + 1),
        ];
  return el("nav", { className: "neighbours", "aria-label": "Neighbours" }, ...both.filter(Boolean));
}
