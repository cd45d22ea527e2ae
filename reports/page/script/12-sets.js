// Studies of sets: one figure, table and finding for each, on a network's page, and networks side by side.

const picked = {}; // what the reader chose, by study and field
const FORMS = { nats, number, count: String, percent: (share) => `${+(100 * share).toPrecision(4)} %` };
const NO_CRITERION = "measured, no criterion";

/** The rows of a study, which are packed as a list for each field. */
function unpacked(lists, net) {
  const fields = Object.keys(lists);
  return lists[fields[0]].map((_, place) => ({
    network: net.name,
    net,
    ...Object.fromEntries(fields.map((field) => [field, lists[field][place]])),
  }));
}

/** The choices of a study, those whose field these rows have, and the rows that are left when all are made. */
function choosing(study, rows, show) {
  const bars = [];
  let left = rows;
  for (const { field, label, first } of study.choices.filter((one) => one.field in (rows[0] ?? {}))) {
    const options = [...new Set(rows.map((row) => row[field]))].sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
    const key = `${study.name} ${field}`;
    const value = options.includes(picked[key]) ? picked[key] : options.includes(first) ? first : options[0];
    left = left.filter((row) => row[field] === value);
    bars.push(
      choice(label, options, value, (other) => {
        picked[key] = other;
        show();
      }),
    );
  }
  return [bars, left.map((row) => ({ ...row, said: spread(row, FORMS[study.form]), family: family(row.what) || NO_CRITERION }))];
}

/** Shows something into a holder, again whenever the reader chooses. */
function shown(draw) {
  const holder = el("div");
  const show = () => replace(holder, ...draw(show).filter(Boolean));
  show();
  return holder;
}

/** A study of a network: choices, figure and table. */
function studySection(net, study) {
  const every = unpacked(study.rows, net);
  const draw = (show) => {
    const [bars, rows] = choosing(study, every, show);
    if (study.chart === "sensitivity") bars.push(pickSite(study, rows, show));
    const click = (row) => opens(net, study, row, show);
    if (study.chart === "dots") inOrder(net, rows);
    const drawn = figure({ chart: study.chart, rows: plainRows(rows), title: study.title, finding: `${study.finding} Shown: ${leading(rows)}.`, axes: { x: study.axis }, click });
    return [el("div", { className: "bar" }, bars), drawn, studyTable(net, study, rows)];
  };
  return section(study.name, study.title, shown(draw), el("p", { className: "note" }, `${study.note} ${study.how} `, citeStudy(net, study)));
}

const citeStudy = (net, study) => citing(`${net.name}: ${study.finding} ${study.how}`);
const plainRows = (rows) => rows.map((row) => ({ ...row, net: undefined }));

/** The choice of the site whose curve stands out; marks its rows. */
function pickSite(study, rows, show) {
  const all = "all sites alike";
  const key = `${study.name} site`;
  const sites = [...new Set(rows.map(({ what }) => what))];
  if (!sites.includes(picked[key])) picked[key] = all;
  for (const row of rows) row.picked = [all, row.what].includes(picked[key]);
  return choice("Highlight", [all, ...sites], picked[key], (site) => {
    picked[key] = site;
    show();
  });
}

/** Puts rows of criteria in the order that the reader chose for the whole page. */
function inOrder(net, rows) {
  const names = ordered(
    net,
    rows.map(({ what }) => what),
  );
  rows.sort((one, other) => names.indexOf(one.what) - names.indexOf(other.what));
}

/** What a click on a mark of a study's figure opens. */
function opens(net, study, row, show) {
  if (study.chart === "sensitivity") {
    const key = `${study.name} site`;
    picked[key] = picked[key] === row.what ? "" : row.what;
    show();
  } else if (row.place) go(net.link, "site", row.place);
  else if (row.what in facts.criteria) go("criterion", row.what);
}

function studyTable(net, study, rows) {
  const heads = study.columns.map(({ title, form }) => ({ title, number: Boolean(form) }));
  const lines = rows.map((row) => study.columns.map((column) => studyCell(net, row, column)));
  return table({ name: `${net.name}-${study.name}`, label: `${study.title}, ${net.name}`, columns: heads, rows: lines, high: true }).element;
}

function studyCell(net, row, { field, form }) {
  const value = row[field];
  if (field === "value") return { text: spread(row, FORMS[form]), value };
  if (form) return { text: FORMS[form](value), value };
  if (value in facts.criteria && !row.place) return named(value);
  const place = field === "what" ? row.place : field === "other" ? row.second : 0;
  return place ? { text: `${place} ${value}`, href: path(net.link, "site", place) } : String(value);
}

/** The studies of a network that were measured, and what would measure the others. */
function studySections(net) {
  return net.studies.map((study) => studySection(net, study));
}

/** All networks side by side, a section for each study. */
function setsView() {
  const nets = facts.networks.map(({ name }) => network(name));
  const names = [...new Set(nets.flatMap(({ studies }) => studies.map(({ name }) => name)))];
  const lead =
    "Pruning removes many maps at once, and what that costs is not the sum of what each costs alone. Here networks are held side by side: how well summed scores rank sets, whether changes add, which sites bear it, what better sets there are, which maps interact, and which figure of a criterion foretells what pruning by it costs. Whoever prunes learns how far to trust a ranking of single maps, and where a better set is worth its price.";
  const commands = `pruning-oracle sets-study ${nets.map(({ name }) => name).join(" ")}`;
  return [
    el("h1", {}, "Sets: what removing many maps costs"),
    el("p", { className: "lead" }, lead),
    names.length ? null : el("p", {}, "No study of sets was measured here. This measures them: ", el("code", {}, commands)),
    ...names.map((name) => comparison(nets, name)),
  ];
}

/** One study over all networks that have it: their findings, a figure and a table. */
function comparison(nets, name) {
  const own = nets.filter((net) => studyOf(net, name));
  const study = studyOf(own[0], name);
  const findings = own.map((net) => el("li", {}, el("a", { href: path(net.link, name) }, net.name), `: ${studyOf(net, name).finding} `, citeStudy(net, studyOf(net, name))));
  const every = own.flatMap((net) => unpacked(studyOf(net, name).summary ?? studyOf(net, name).rows, net));
  const draw = (show) => {
    const [bars, rows] = choosing(study, every, show);
    const finding = `${own.map((net) => leading(rows.filter((row) => row.net === net))).join("; ")}. ${study.how.split(";")[0].replace(/\.$/, "")}.`;
    const click = ({ network: of }) => of && go(of, name);
    const axes = { x: rows[0]?.figure ?? study.axis };
    const drawn = figure({ chart: "compared", rows: plainRows(rows), title: study.title, finding, axes, click });
    return [el("div", { className: "bar" }, bars), drawn, comparedTable(study, own, rows)];
  };
  return section(name, study.title, el("ul", { className: "findings" }, findings), shown(draw), el("p", { className: "note" }, `${study.summary ? SUMMARISED : study.note} ${howAll(own, name)}`));
}

const SUMMARISED =
  "What is drawn and listed here was summed up at each seed before its median over seeds was taken; the sentences above take the median of every figure of a network's own view first, so that they may differ a little.";

/** How the networks' studies were measured, once where all were alike. */
function howAll(nets, name) {
  const said = nets.map((net) => studyOf(net, name).how);
  return new Set(said).size === 1 ? said[0] : nets.map((net, place) => `${net.name}: ${said[place]}`).join(" ");
}

const studyOf = (net, name) => net.studies.find((study) => study.name === name);

/** What stands first and last of one network's rows, as half a sentence. */
function leading(rows) {
  const known = rows.filter(({ value }) => value !== null).sort((a, b) => b.value - a.value);
  if (!known.length) return `${rows[0]?.network ?? ""} undefined`;
  const [most, least] = [known[0], known.at(-1)];
  return `${most.network}, highest ${pairSaid(most)} with ${most.said}${most === least ? "" : `, lowest ${pairSaid(least)} with ${least.said}`}`;
}

const pairSaid = ({ what, other }) => (other ? `${what} and ${other}` : what);

function comparedTable(study, nets, rows) {
  const heads = [{ title: study.summary ? "of" : study.columns[0].title }, ...nets.map(({ name }) => ({ title: name, number: true }))];
  const lines = [...new Set(rows.map(({ what }) => what))].map((what) => [
    what in facts.criteria ? named(what) : what,
    ...nets.map((net) => {
      const row = rows.find((one) => one.net === net && one.what === what);
      return row ? { text: row.said, value: row.value } : { text: "", value: undefined };
    }),
  ]);
  return table({ name: `sets-${study.name}`, label: study.title, columns: heads, rows: lines, high: true }).element;
}
