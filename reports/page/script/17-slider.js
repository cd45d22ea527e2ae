// A study of pruning runs under a slider: curves, a table of what every run has where so much is left, the smaller network.

const formOf = (judge) => (judge === "accuracy" ? (value) => number(value, 3) : nats);
const percent = (value) => (value < 10 ? value.toFixed(1) : value.toFixed(0));

/** A network of a run, by its row: what its file says of it, how many percent of the whole network are left, and its sites. */
function networkAt(study, { first }, row) {
  const [values, whole] = [row, first].map((place) => at(`${study.prefix}/steps`, place));
  const field = (name, of = values) => of[study.fields.indexOf(name)] ?? Number.NaN;
  const left = (name) => (100 * field(name)) / field(name, whole);
  return {
    row,
    first,
    accuracy: field("test_accuracy"),
    loss: field("test_loss"),
    removed: field("removed_loss"),
    bias: field("bias_loss"),
    batchnorm: field("batchnorm_loss"),
    count: field("maps"),
    whole: field("maps", whole),
    maps: left("maps"),
    flops: left("flops"),
    parameters: left("parameters"),
  };
}

const walked = new Map(); // the networks of runs that were looked at, by study and first row

/** The networks of a run at a seed, the whole one first. */
function networksOf(study, one) {
  const key = `${study.prefix}/${one.first}`;
  if (!walked.has(key))
    walked.set(
      key,
      Array.from({ length: one.count }, (_, step) => networkAt(study, one, one.first + step)),
    );
  return walked.get(key);
}

/** Some numbers of networks, one per seed, as {value, from, to, seeds}. */
function overSeeds(networks, name) {
  const values = networks.map((one) => one[name]).filter((value) => !Number.isNaN(value));
  return { value: median(values), from: Math.min(...values), to: Math.max(...values), seeds: values.length };
}

/** A median with its range over seeds, unless all look alike. */
const worth = (of, form) => (of.seeds > 1 && form(of.from) !== form(of.to) ? spread(of, form) : form(of.value));

/** What every run has where so much is left: at each seed the first network with no more; best first, the unreached last. */
function readings(study, { by, left, judge }) {
  const found = study.runs.map((run) => {
    const ends = run.seeds.map((one) => ({ one, network: networksOf(study, one).find((each) => each[by] <= left + 0.005) }));
    const known = ends.filter(({ network: each }) => each);
    const networks = known.map(({ network: each }) => each);
    const last = known.filter(({ one, network: each }) => one.final && each.row === one.first + one.count - 1);
    const final = last.map(({ one }) => ({ accuracy: one.final.accuracy ?? Number.NaN, loss: one.final.loss ?? Number.NaN }));
    const names = ["accuracy", "loss", "removed", "bias", "batchnorm", "maps", "flops", "parameters"];
    return { run, networks, final, ...Object.fromEntries(names.map((name) => [name, overSeeds(networks, name)])) };
  });
  const sign = judge === "accuracy" ? -1 : 1;
  const key = (one) => (Number.isNaN(one[judge].value) ? Infinity : sign * one[judge].value);
  return found.sort((a, b) => (key(a) === key(b) ? 0 : key(a) - key(b)));
}

/** What the slider's point shows, in a sentence. */
function findingOf(study, found, { by, left, judge }) {
  const known = found.filter((one) => !Number.isNaN(one[judge].value));
  const where = `With at most ${left} % of the ${QUANTITIES[by]} left`;
  if (!known.length) return `${where} no run has a network: they end before.`;
  const said = (one) => `${one.run.name} has ${worth(one[judge], formOf(judge))}`;
  const missing = found.filter(({ networks }) => !networks.length).map(({ run }) => run.name);
  const picked = known.slice(1, -1).find(({ run }) => run.name === looking.run) ?? known[1];
  const close = closeTo(known, study, judge);
  const parts = [said(known[0]) + (close ? ` (≈ ${close} of ${known.length - 1} others: so few test examples cannot tell them apart)` : "")];
  if (known.length > 2) parts.push(said(picked));
  if (known.length > 1) parts.push(`the worst, ${said(known.at(-1))}`);
  const far = missing.length ? ` Not pruned so far: ${missing.join(", ")}.` : "";
  return `${where}, ${JUDGES[judge]}: ${parts.join("; ")}.${far}`;
}

/**
 * How many of the others have an accuracy that so many test examples cannot tell from the first one's: the 95 % interval of the
 * difference holds 0, by the normal approximation, as if each run had been judged by examples of its own.
 */
function closeTo(known, study, judge) {
  if (judge !== "accuracy") return 0;
  const spreadOf = ({ run, accuracy: { value, seeds } }) => (run.n ? (value * (1 - value)) / (run.n * seeds) : Number.NaN);
  const [first, ...others] = known;
  const near = (one) => first.accuracy.value - one.accuracy.value <= 1.96 * Math.sqrt(spreadOf(first) + spreadOf(one));
  return others.filter(near).length;
}

const judgesOf = (study) =>
  ["accuracy", "loss"].filter((name) => study.fields.includes(`test_${name}`) && (name === "loss" || name === study.judged));

/** The sections that follow the slider. */
function explored(study) {
  const names = ["curves", "table", "network", "kept"];
  const holders = { slider: el("div", { className: "slider" }), ...Object.fromEntries(names.map((name) => [name, el("div")])) };
  const said = el("p");
  const state = { study, holders, said };
  const set = (name) => (value) => {
    looking[name] = value;
    fill(state);
  };
  const runs = [["", "the best where you look"], ...study.runs.map(({ name }) => [name, name])];
  const picked = choice("Run that stands out", runs, looking.run, set("run"));
  state.pick = (run) => {
    picked.querySelector("select").value = run;
    set("run")(run);
  };
  fill(state);
  const judges = judgesOf(study).map((name) => [name, JUDGES[name]]);
  const note = `Read is, at every seed, the first network with no more left: its figures are measured, nothing is in between. Accuracy and loss are those after whatever repair and updates followed the removal, on ${testedOn(study)}. Click a point of the figure to follow its run.`;
  return [
    section(
      "curves",
      "Curves",
      el(
        "div",
        { className: "bar" },
        choice("Against what is left of", Object.entries(QUANTITIES), looking.by, set("by")),
        choice("Judged by", judges, looking.judge, set("judge")),
        picked,
        holders.slider,
      ),
      said,
      holders.curves,
    ),
    section("values", "Every run where the slider is", holders.table, el("p", { className: "note" }, note)),
    section("smaller", "The smaller network", holders.network, holders.kept),
  ];
}

const testedOn = (study) => {
  const known = [...new Set(study.runs.map(({ n }) => n).filter(Boolean))];
  return known.length ? `n = ${known.join(" or ")} test examples` : "the test set";
};

/** Makes slider and figures anew, as another quantity, judge or run asks for. */
function fill(state) {
  const { study, holders } = state;
  const ends = study.runs.flatMap(({ seeds }) =>
    seeds.map((one) => networkAt(study, one, one.first + one.count - 1)[looking.by]),
  );
  const least = Math.max(1, Math.ceil(Math.min(...ends) - 0.005));
  looking.left = Math.min(100, Math.max(least, Math.round(looking.left)));
  const text = el("span");
  const input = el("input", { type: "range", min: least, max: 100, step: 1, value: looking.left, dir: "rtl" });
  const show = () => {
    text.textContent = `${QUANTITIES[looking.by]} left: ${looking.left} %`;
    input.setAttribute("aria-valuetext", read(state));
  };
  let soon;
  input.addEventListener("input", () => {
    looking.left = Number(input.value);
    cancelAnimationFrame(soon);
    soon = requestAnimationFrame(show);
  });
  input.addEventListener("change", () => {
    history.replaceState(null, "", path(study.case, study.folder, looking.by, looking.left));
  });
  holders.slider.replaceChildren(el("label", { className: "field" }, text, input));
  state.curves = curvesFigure(state);
  state.network = state.kept = undefined;
  replace(holders.curves, state.curves);
  show();
}

/** Shows what every run has where the slider is; returns it as a sentence. */
function read(state) {
  const { study, holders } = state;
  const found = readings(study, looking);
  const finding = findingOf(study, found, looking);
  state.said.textContent = finding;
  state.curves.show?.({ finding: `${finding} ${LINES}`, values: { at: looking.left } });
  holders.table.replaceChildren(readingsTable(study, found));
  showNetwork(state, found);
  return finding;
}
