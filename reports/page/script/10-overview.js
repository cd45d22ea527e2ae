// The first screen: what this is, and one table of criteria and networks.

const filters = { name: "", family: "", network: "", price: "", order: [2, "desc"] };

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
    order: filters.order,
    kept: (row) => kept(row, shown),
    high: true,
  });
  made.grid.on("order", () => {
    filters.order = made.grid.order()[0] ?? filters.order;
  });
  const compared = names.filter((name) => family(name) !== "Controls");
  const answer = el("p", { className: "lead", role: "status" });
  const marks = () => {
    const left = compared.filter((_, place) => kept(rows[names.indexOf(compared[place])], shown));
    const said = shown.map((net) => markTies(net, made.grid, compared, left, heads));
    answer.replaceChildren(...said.filter((_, place) => [filters.network, shown[1] ? "" : shown[0].name].includes(shown[place].name)));
  };
  const bar = filterBar(shown, made, heads, marks);
  const legend =
    "≈ cannot be told apart from the network's best of those that the table shows: the 95 % interval of their difference, paired over examples, holds 0; that difference is a mean over seeds. Agreement is Spearman with the oracle within each site, mean over sites, on examples the oracle never saw; ¼ removed is what removing a quarter of each site costs, in nats, when the criterion chooses the maps; price is in forward passes over as many examples, and stays below the given one on the chosen network, or on any. The noise ceiling's row has the oracle's own figures: as a ranking of single maps it may choose a quarter that costs more than a criterion's, since changes do not add (see Sets). Click a header to sort, a criterion or a network to open it.";
  return section(
    "criteria",
    "Criteria by network",
    bar,
    answer,
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
  return [
    { text: spread(row), value: row.value },
    ...(quarter ? [{ text: row.quarter ? spread(row.quarter, fewNats) : "", value: row.quarter?.value }] : []),
    { text: passes(row.passes), value: row.passes },
  ];
}

/** Marks whom the network's best of the criteria that are `left` cannot be told apart from; says who they are. */
function markTies(net, grid, compared, left, heads) {
  const column = heads.findIndex(({ group }) => group === net.name);
  const best = bestOf(net, left);
  const tied = [];
  compared.forEach((name, place) => {
    const row = net.rows.find(({ criterion }) => criterion === name);
    const distance = row && left.includes(name) ? behindOther(net, best, name) : undefined;
    const cell = grid.cell(place, column).node();
    if (!row || !cell) return;
    cell.textContent = `${distance?.tied ? "≈ " : ""}${spread(row)}`;
    cell.classList.toggle("tied", Boolean(distance?.tied));
    cell.title = name === best ? "the best of these" : distance
      ? `behind ${best} by ${number(distance.behind, 3)} [${number(distance.low, 3)}, ${number(distance.high, 3)}]`
      : "";
    if (distance?.tied && name !== best) tied.push(name);
  });
  if (!best) return `On ${net.name} none of these has an agreement.`;
  const others = tied.slice(0, 6).join(", ") + (tied.length > 6 ? ` and ${tied.length - 6} more` : "");
  const of = spread(net.rows.find(({ criterion }) => criterion === best));
  return `On ${net.name} the best of these is ${best}, ${of}; ${tied.length ? `${others} cannot be told apart from it` : "all others are surely behind it"}.`;
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
