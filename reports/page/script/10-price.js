// The first table's filters, and what a better guess costs: agreement against price.

function filterBar(shown, made, heads, marks) {
  const found = el("span", { className: "found", role: "status" });
  const wide = innerWidth > 420 + 360 * shown.length || (innerWidth > 600 && shown.length > 5);
  const update = () => {
    made.grid.column(1).visible(wide, false);
    heads.forEach(
      ({ group }, place) => group && made.grid.column(place).visible(!filters.network || group === filters.network, false),
    );
    marks();
    made.grid.columns.adjust().draw();
    found.textContent = `${made.shown()} of ${Object.keys(facts.criteria).filter((name) => family(name) !== "Controls").length} criteria`;
  };
  const field = (label, properties, name) =>
    el(
      "label",
      { className: "field" },
      el("span", {}, label),
      el("input", {
        ...properties,
        value: filters[name],
        oninput: (event) => {
          filters[name] = event.target.value;
          update();
        },
      }),
    );
  const set = (name) => (value) => {
    filters[name] = value;
    update();
  };
  const known = [...new Set(Object.keys(facts.criteria).map(family))].filter((one) => one !== "Controls").sort();
  const bar = el(
    "div",
    { className: "bar", role: "search", "aria-label": "Filter the table" },
    field("Name", { type: "search", placeholder: "part of a name" }, "name"),
    choice("Family", [["", "all"], ...known], filters.family, set("family")),
    choice("Network", [["", "all"], ...shown.map(({ name }) => name)], filters.network, (value) => {
      set("network")(value);
      const first = heads.findIndex(({ group }) => group && (!value || group === value));
      made.grid.order([first, "desc"]).draw();
      showPrice?.(value || shown[0].name);
    }),
    field("At most … passes", { type: "number", min: 0, step: "any", placeholder: "any price" }, "price"),
    found,
  );
  update();
  return bar;
}

let showPrice; // of a network, by its name

function priceSection(shown) {
  const holder = el("div");
  const first = filters.network || shown[0].name;
  const show = (name) => replace(holder, priceFigure(network(name)));
  const names = shown.map(({ name }) => name);
  const chosen = choice("Network", names, first, show);
  showPrice = (name) => {
    chosen.querySelector("select").value = name;
    show(name);
  };
  show(first);
  return section("price", "What a better guess costs", chosen, holder);
}

function priceFigure(net) {
  const rows = net.rows
    .filter(({ value, passes: price }) => value !== undefined && value !== null && price !== null)
    .sort((a, b) => a.passes - b.passes || b.value - a.value);
  let best = -Infinity;
  const points = rows.map((row) => {
    const front = row.value > best;
    best = Math.max(best, row.value);
    return {
      criterion: row.criterion,
      family: family(row.criterion),
      passes: Math.max(0.1, row.passes),
      value: row.value,
      from: row.from,
      to: row.to,
      said: spread(row),
      price: `${passes(row.passes)} passes`,
      front,
      ceiling: net.ceiling,
    };
  });
  const front = points
    .filter((row) => row.front)
    .map(({ criterion, value, price }) => `${criterion} (${number(value)} at ${price})`);
  return figure({
    chart: "price",
    rows: points,
    title: `${net.name}: agreement against price`,
    click: ({ criterion }) => go("criterion", criterion),
    finding: `Nothing cheaper beats ${front.join(", ") || "any: none is defined"}. The line joins these; dashed is the noise ceiling, ${number(net.ceiling)}; less than 0.1 passes is drawn at 0.1. Hover for names, click to open.`,
  });
}
