// The first screen: what this is, and one table of criteria and networks.

const filters = { name: "", family: "", network: "", price: "" };

function overview() {
  const shown = facts.networks.map(({ name }) => network(name));
  const count = Object.keys(facts.criteria).filter((name) => family(name) !== "Controls").length;
  const head = el(
    "div",
    {},
    el("h1", {}, "What is a feature map worth, and which criterion knows?"),
    el(
      "p",
      { className: "lead" },
      `The oracle is the measured change in loss when one feature map of a network is removed; a pruning criterion guesses it from far less work. This page says how well ${count} criteria rank the maps of ${shown.length} ${shown.length === 1 ? "network" : "networks"}, what each guess costs, and how sure that is.`,
    ),
  );
  return [head, overviewTable(shown), priceSection(shown)];
}

function overviewTable(shown) {
  const quarters = shown.map((net) => net.rows.some(({ quarter }) => quarter));
  const heads = [{ title: "criterion" }, { title: "family" }];
  shown.forEach((net, place) => {
    const link = el("a", { href: path(net.link) }, net.name);
    heads.push({
      group: net.name,
      link,
      title: "agreement",
      number: true,
      says: "Spearman with the oracle within each site, mean over sites, on fresh examples",
    });
    if (quarters[place])
      heads.push({
        group: net.name,
        title: "¼ removed",
        number: true,
        says: "what removing a quarter of each site costs when the criterion chooses the maps",
      });
    heads.push({ group: net.name, title: "price", number: true, says: "forward passes over as many examples" });
  });
  const names = Object.keys(facts.criteria);
  const rows = names.map((name) => [
    named(name),
    family(name),
    ...shown.flatMap((net, place) =>
      cells(
        net,
        net.rows.find(({ criterion }) => criterion === name),
        quarters[place],
      ),
    ),
  ]);
  const pinned = [
    pinnedRow("noise ceiling; the oracle", shown, quarters, (net) => [
      number(net.ceiling),
      spread(net.quarter, fewNats),
      passes(net.passes),
    ]),
  ];
  for (const name of names.filter((one) => family(one) === "Controls"))
    pinned.push([
      { ...named(name), text: marked(name) },
      "Controls",
      ...shown.flatMap((net, place) =>
        cells(
          net,
          net.rows.find(({ criterion }) => criterion === name),
          quarters[place],
        ),
      ),
    ]);
  const made = table({
    name: "criteria",
    label: "Criteria by network",
    columns: heads,
    rows: rows.filter((row) => row[1] !== "Controls"),
    pinned,
    order: [2, "desc"],
    kept: (row) => kept(row, shown),
    high: true,
  });
  const bar = filterBar(shown, made, heads);
  const legend =
    "≈ cannot be told apart from the network's best: the 95 % interval of their difference, paired over examples, holds 0. Agreement is Spearman with the oracle within each site, mean over sites, on examples the oracle never saw; ¼ removed is what removing a quarter of each site costs, in nats, when the criterion chooses the maps; price is in forward passes over as many examples. The noise ceiling's row has the oracle's own figures. Click a header to sort, a criterion or a network to open it.";
  return section(
    "criteria",
    "Criteria by network",
    bar,
    made.element,
    el("p", { className: "note" }, `${legend} ${seedsSaid(shown)}${orderSaid()}`),
  );
}

const named = (name) => ({
  text: marked(name),
  href: path("criterion", name),
  className: "name",
  extra: { before: swatch(name) },
});
const seedsSaid = (shown) => [...new Set(shown.map((net) => `Figures are ${spreadSaid(net)}.`))].join(" ");
const orderSaid = () => {
  const late = Object.entries(facts.criteria)
    .filter(([, { order }]) => order)
    .map(([name, { order }]) => `${name}: ${order}`);
  return late.length ? ` † depends on the order of the examples (${late.join("; ")}).` : "";
};

function cells(net, row, quarter) {
  if (!row) return Array(quarter ? 3 : 2).fill({ text: "unavailable", className: "faint" });
  const distance =
    row.tied === undefined
      ? undefined
      : `behind the best by ${number(row.behind, 3)} [${number(row.low, 3)}, ${number(row.high, 3)}]`;
  const first = {
    text: `${row.tied ? "≈ " : ""}${spread(row)}`,
    value: row.value,
    className: row.tied ? "tied" : "",
    title: distance,
  };
  return [
    first,
    ...(quarter ? [{ text: row.quarter ? spread(row.quarter, fewNats) : "", value: row.quarter?.value }] : []),
    { text: passes(row.passes), value: row.passes },
  ];
}

function pinnedRow(title, shown, quarters, of) {
  return [
    { text: title, className: "name" },
    "",
    ...shown.flatMap((net, place) => of(net).filter((_, which) => which !== 1 || quarters[place])),
  ];
}

function kept(row, shown) {
  const [{ text }, kind, ...rest] = row;
  if (!text.toLowerCase().includes(filters.name.toLowerCase()) || (filters.family && kind !== filters.family)) return false;
  if (filters.price === "") return true;
  const prices = shown
    .filter((net) => !filters.network || net.name === filters.network)
    .map((net) => net.rows.find(({ criterion }) => marked(criterion) === text)?.passes);
  return rest.length > 0 && prices.some((price) => price !== undefined && price !== null && price <= Number(filters.price));
}
