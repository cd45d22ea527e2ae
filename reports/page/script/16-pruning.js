// Pruning: which networks were pruned, and a study of one of them, read where the reader moves a slider.

/** What is read: by which quantity and how many percent of it are left, what judges, and the run that stands out. */
const looking = { by: "maps", left: 50, judge: undefined, run: "" };
const QUANTITIES = { maps: "maps", flops: "FLOPs" };
const JUDGES = { accuracy: "test accuracy", loss: "test loss, nats" };

/** The case of that name whose pruning runs the page may have; undefined if unknown. */
function prunedCase(link) {
  const place = facts.pruning.findIndex(({ name }) => name === (link ?? "").split("@")[0]);
  return place < 0 ? undefined : { ...facts.pruning[place], place };
}

/** A study of a case by its folder; undefined if unknown. */
function pruningStudy(pruned, folder) {
  const place = pruned.studies.findIndex((one) => one.folder === folder);
  return place < 0 ? undefined : { ...pruned.studies[place], case: pruned.name, prefix: `pruning/${pruned.place}/${place}` };
}

/** Whether parts of a link are a point to look at, such as maps and 50; looks there. */
function follows([by, left]) {
  if (!(by in QUANTITIES) || !(Number(left) > 0 && Number(left) <= 100)) return false;
  Object.assign(looking, { by, left: Number(left) });
  return true;
}

/** A link from a network to its pruning runs, where the page has some. */
function prunedLink(name) {
  const first = prunedCase(name)?.studies[0];
  const text = "What is left when its maps are pruned →";
  return first ? aside("Pruning", path(name, first.folder), text) : null;
}

const aside = (label, href, text) => el("nav", { className: "neighbours", "aria-label": label }, el("a", { href }, text));

function pruningView() {
  const lead =
    "Maps are deleted a few at a time, those of the lowest score first, and the network learns on in between: the loop of Molchanov et al. (arXiv:1611.06440). Each network is really smaller: its outputs were compared with those of the network whose gates are closed, after every deletion.";
  const heads = [
    { title: "runs" },
    { title: "criteria", number: true },
    { title: "seeds", number: true },
    { title: "whole", number: true, says: "test accuracy of the whole network or, where undefined, its loss in nats" },
    { title: "half of the maps left: best" },
    { title: "worst" },
  ];
  const rows = facts.pruning.flatMap(({ name, studies }) =>
    studies.map(({ folder }) => studyRow(name, pruningStudy(prunedCase(name), folder))),
  );
  return [
    el("h1", {}, "What is left when maps are pruned?"),
    el("p", { className: "lead" }, lead),
    rows.length
      ? section("studies", "Pruning runs", table({ name: "pruning", label: "Pruning runs", columns: heads, rows }).element)
      : null,
    rows.length
      ? el(
          "p",
          { className: "note" },
          "≈: so many others have an accuracy that the test examples cannot tell from the best one's (95 %). While a network learns on, it makes up for much: that single maps are ranked well says little about what is left at the end.",
        )
      : null,
    ...facts.pruning.flatMap(({ why }) => why.map((text) => el("p", { className: "note" }, text))),
  ];
}

function studyRow(name, study) {
  const found = readings(study, { by: "maps", left: 50, judge: study.judged }).filter(({ networks }) => networks.length);
  const whole = study.runs.flatMap(({ seeds }) => seeds.map(({ first }) => networkAt(study, { first }, first)[study.judged]));
  const seeds = new Set(study.runs.flatMap((run) => run.seeds.map(({ seed: value }) => value)));
  const close = found.length ? closeTo(found, study, study.judged) : 0;
  const said = (one) => (one ? `${one.run.name} ${worth(one[study.judged], formOf(study.judged))}` : "none got there");
  return [
    { text: `${name}: ${study.title}`, href: path(name, study.folder) },
    { text: String(study.runs.length), value: study.runs.length },
    { text: String(seeds.size), value: seeds.size },
    { text: formOf(study.judged)(median(whole)), value: median(whole) },
    `${said(found[0])}${close ? `, ≈ ${close} of ${found.length - 1} others` : ""}`,
    said(found.at(-1)),
  ];
}

function studyView(pruned, study) {
  const notes = pruned.why.map((text) => el("p", { className: "note" }, text));
  const title = el("h1", {}, `${pruned.name}: what is left when maps are pruned`);
  if (!study) return [title, ...notes];
  if (!JUDGES[looking.judge] || !judgesOf(study).includes(looking.judge)) looking.judge = study.judged;
  if (!study.runs.some(({ name }) => name === looking.run)) looking.run = "";
  const options = pruned.studies.map((one) => [one.folder, one.title]);
  return [
    title,
    el("p", { className: "lead" }, leadOf(study)),
    network(pruned.name) ? aside("Network", path(pruned.name), `← ${pruned.name}, its maps and criteria`) : null,
    options.length > 1 ? choice("Runs", options, study.folder, (folder) => go(pruned.name, folder)) : null,
    ...notes,
    ...explored(study),
    ...filed(pruned, study),
  ];
}

function leadOf(study) {
  const updates = [...new Set(study.runs.map((run) => run.updates))].join(" or ");
  const seeds = study.runs.some((run) => run.seeds.length > 1)
    ? "Thin lines are seeds, thick ones their median; the table has medians and ranges over seeds."
    : "Every line is one seed: a spread over seeds is not known.";
  return `${study.title}: ${study.runs.length} runs by ${new Set(study.runs.map(({ criterion }) => criterion)).size} criteria, ${updates} updates of learning between two removals. ${seeds} Move the slider to read every network where so much is left. ${study.said}.`;
}

/** The sections of a study whose figures lie beside the page: where its runs end, and latencies and survival of every study. */
function filed(pruned, study) {
  const named = (one) => one.files[0]?.slice(`pruning-${pruned.name}-`.length, -".png".length) ?? "";
  const of = ({ folder }) => facts.sections.filter((one) => one.of === `${folder} of ${pruned.name}`);
  const others = pruned.studies.filter(({ folder }) => folder !== study.folder).flatMap(of);
  const parts = [...of(study), ...others.filter((one) => /(latency|survival)$/.test(named(one)))];
  const made = parts.map((one) => {
    const [, ...rest] = paper(one).children; // its title is the section's
    return section(named(one), named(one).endsWith("curves") ? "Where the runs end" : one.title, ...rest);
  });
  if (parts.some((one) => named(one).endsWith("latency"))) return made;
  const command = `pruning-oracle latency runs/${pruned.name}/SEED/${study.folder}/${study.runs[0].name}.network`;
  const text = `No network of these runs was timed: \`${command}\` times one beside the whole network, \`make prune-timings\` those that were pruned far.`;
  return [...made, section("latency", "How fast the pruned networks are", el("p", {}, text))];
}
