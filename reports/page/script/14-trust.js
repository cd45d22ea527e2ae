// How far to trust this: ceilings, examples, checks, machines, versions, commands that repeat it; and how to cite it.

function trustView() {
  const nets = facts.networks.map(({ name }) => network(name));
  return [
    el("h1", {}, "How far to trust this"),
    el("p", { className: "lead" }, facts.sentences.join(" ")),
    nets.length ? ceilings(nets) : null,
    ...nets.map(measured),
    dataSection(),
  ];
}

function ceilings(nets) {
  const heads = [
    { title: "network" },
    { title: "noise ceiling", number: true },
    { title: "oracle examples", number: true },
    { title: "fresh examples", number: true },
    { title: "seeds", number: true },
    { title: "oracle" },
    { title: "checked again" },
  ];
  const rows = nets.map((net) => [
    { text: net.name, href: path(net.link) },
    { text: number(net.ceiling), value: net.ceiling },
    { text: String(net.examples), value: net.examples },
    { text: String(net.fresh), value: net.fresh },
    { text: String(net.seeds.length), value: net.seeds.length },
    net.estimated ? net.estimated.replace(/^, /, "") : "measured exactly",
    checks(net),
  ]);
  const note =
    "The noise ceiling is the agreement of the oracle on one half of the examples with the other half, Spearman–Brown corrected: a yardstick, not a bound. Every engine measures some maps again by the definition, one full pass each.";
  return section(
    "ceilings",
    "Ceilings, examples and checks",
    table({ name: "ceilings", label: "Ceilings, examples and checks", columns: heads, rows }).element,
    el("p", { className: "note" }, note),
  );
}

function checks(net) {
  const known = net.checks.filter(Boolean);
  if (!known.length) return "not noted";
  return `${known.reduce((sum, one) => sum + one.triples, 0)} changes measured again by the definition; largest difference ${nats(Math.max(...known.map((one) => one["largest difference"])))} nats`;
}

function measured(net) {
  const heads = net.trust.columns.map((title) => ({ title }));
  return section(
    `measured ${net.name}`,
    net.name,
    el("p", {}, net.trust_said),
    table({
      name: `${net.name}-provenance`,
      label: `How ${net.name} was measured`,
      columns: heads,
      rows: net.trust.rows,
      wraps: true,
    }).element,
    el("p", {}, "Commands that repeat it: "),
    el("pre", { tabIndex: 0 }, net.commands.join("\n")),
    el(
      "div",
      { className: "tools" },
      button("Copy commands", () => copy(net.commands.join("\n"), "Commands")),
    ),
  );
}

function dataSection() {
  const digestSaid = checked
    ? `SHA-256 ${checked}, checked when the page was opened.`
    : "This browser cannot check their SHA-256 here.";
  return section(
    "cite",
    "Cite and take away",
    el("p", {}, `The page's data: ${digestSaid}`),
    el(
      "div",
      { className: "tools" },
      button("Save all data (JSON)", () => save(asJson(), "pruning-oracle-report.json", "application/json")),
      button("Copy BibTeX", () => copy(facts.source.bibtex, "BibTeX")),
    ),
    el("pre", { tabIndex: 0 }, facts.source.bibtex),
  );
}
