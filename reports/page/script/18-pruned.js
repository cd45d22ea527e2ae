// What the slider shows: the curves, the table of readings, the smaller network and where every run kept its maps.

const DASHES = [[1, 0], [7, 3], [2, 2], [9, 3, 2, 3], [14, 4], [4, 6], [2, 6], [12, 3, 2, 3, 2, 3]];
const LINES =
  "The dashed line is where you look, large points are the networks read there; lines between networks are straight.";

/** The look of a run is that of its criterion's family; runs of one colour differ by their dashes. An oracle is black. */
const runLook = (run) =>
  facts.families.find(({ name }) => name === run.family) ?? { light: "#1c1f23", dark: "#e6e8eb", shape: "circle" };
const colourOf = (run) => runLook(run)[dark() ? "dark" : "light"];

function curvesFigure({ study, pick }) {
  const { by, judge } = looking;
  const among = (run, place) => study.runs.slice(0, place).filter((other) => colourOf(other) === colourOf(run)).length;
  const domain = study.runs.map(({ name }) => name);
  return figure({
    chart: "pruned",
    rows: curveRows(study, by, judge),
    title: `${study.case}: ${JUDGES[judge]} against ${QUANTITIES[by]} left`,
    finding: "",
    axes: { x: `${QUANTITIES[by]} left, %`, y: JUDGES[judge] },
    scales: {
      color: { domain, range: study.runs.map(colourOf) },
      shape: { domain, range: study.runs.map((run) => runLook(run).shape) },
      strokeDash: { domain, range: study.runs.map((run, place) => DASHES[among(run, place) % DASHES.length]) },
    },
    values: { at: looking.left, only: looking.run },
    click: ({ run }) => run && pick(run),
  });
}

/** A row for every network of every run and, where a run has several seeds, for their median on the way. */
function curveRows(study, by, judge) {
  return study.runs.flatMap((run) => {
    const lines = run.seeds.map((one) => networksOf(study, one));
    const single = lines.length === 1;
    const rows = run.seeds.flatMap(({ seed: value }, place) =>
      lines[place].map((one) => ({
        run: run.name,
        seed: String(value),
        left: one[by],
        value: defined(one[judge]),
        line: single ? "thick" : "thin",
        measured: true,
        network: `${one.count} of ${one.whole} maps (${percent(one.maps)} %), ${percent(one.flops)} % of FLOPs`,
        accuracy: number(one.accuracy, 3),
        loss: nats(one.loss),
      })),
    );
    return single ? rows : rows.concat(medianRows(run.name, lines, by, judge));
  });
}

function medianRows(run, lines, by, judge) {
  const least = Math.max(...lines.map((line) => line.at(-1)[by]));
  return Array.from({ length: 61 }, (_, step) => {
    const left = 100 - (step / 60) * (100 - least);
    const value = defined(median(lines.map((line) => between(line, by, judge, left))));
    return { run, seed: "median", left, value, line: "thick", measured: false };
  });
}

/** The value on the straight line between two networks of a run. */
function between(line, by, judge, left) {
  const after = line.findIndex((one) => one[by] <= left + 1e-6);
  if (after <= 0) return line[Math.max(0, after)][judge];
  const [a, b] = [line[after - 1], line[after]];
  return a[judge] + ((b[judge] - a[judge]) * (a[by] - left)) / (a[by] - b[by]);
}

const PARTS = { removed: "right after the removal, nats", bias: "biases repaired, nats", batchnorm: "batch norms repaired, nats" };

function readingsTable(study, found) {
  const { by, left, judge } = looking;
  const parts = Object.keys(PARTS).filter((name) => study.fields.includes(`${name}_loss`));
  const final = found.some((one) => one.final.length);
  const heads = [
    { title: "run" },
    ...judgesOf(study).map((name) => ({ title: JUDGES[name], number: true })),
    ...(final ? [{ title: `fine-tuned at the end: ${JUDGES[judge]}`, number: true }] : []),
    ...parts.map((name) => ({ title: PARTS[name], number: true, says: "test loss before any learning" })),
    ...["maps", "FLOPs", "parameters"].map((name) => ({ title: `${name} left, %`, number: true })),
    { title: "seeds", number: true },
  ];
  const cell = (of, form) => ({ text: of.seeds ? worth(of, form) : "—", value: of.value });
  const cite = (one, name) =>
    `${JUDGES[name]} ${worth(one[name], formOf(name))} of ${study.case} pruned by ${one.run.criterion} (run ${one.run.name}) to at most ${left} % of its ${QUANTITIES[by]}: ${worth(one.maps, percent)} % of maps and ${worth(one.flops, percent)} % of FLOPs left; ${one.networks.length > 1 ? `median and range over ${one.networks.length} seeds` : "one seed"}, n = ${one.run.n ?? "unknown"} test examples; ${study.said}.`;
  const order = document.getElementById("order").value;
  const key = (one) => (order === "family" ? `${one.run.family} ${one.run.name}` : one.run.name);
  const shown = order === "best" ? found : [...found].sort((a, b) => (key(a) < key(b) ? -1 : 1));
  const rows = shown.map((one) => [
    runCell(one.run),
    ...judgesOf(study).map((name) => ({
      ...cell(one[name], formOf(name)),
      text: one.networks.length ? worth(one[name], formOf(name)) : "not pruned so far",
      extra: { after: one.networks.length ? citing(cite(one, name), study) : null },
    })),
    ...(final ? [cell(overSeeds(one.final, judge), formOf(judge))] : []),
    ...parts.map((name) => cell(one[name], nats)),
    ...["maps", "flops", "parameters"].map((name) => cell(one[name], percent)),
    { text: String(one.networks.length), value: one.networks.length },
  ]);
  const label = `Runs with at most ${left} % of ${QUANTITIES[by]} left`;
  return table({ name: `${study.case}-${study.folder}-${left}`, label, columns: heads, rows }).element;
}

function runCell(run) {
  const href = run.criterion in facts.criteria ? path("criterion", run.criterion) : undefined;
  return { text: run.name, href, className: "name", title: run.criterion, extra: { before: swatch(run.criterion, runLook(run)) } };
}

/** Draws the network of the run that stands out, or of the best, and where every run kept its maps. */
function showNetwork(state, found) {
  const { study } = state;
  const one = found.find(({ run }) => run.name === looking.run) ?? found[0];
  const sites = (of) => of.networks.map(({ row }) => at(`${study.prefix}/sites`, row));
  const titles = study.sites.map((site, place) => `${place + 1} ${site}`);
  const whole = Array.from(at(`${study.prefix}/sites`, study.runs[0].seeds[0].first));
  const counted = (of, place) => sites(of).map((counts) => ({ maps: counts[place] }));
  const kept = (of) => whole.map((_, place) => overSeeds(counted(of, place), "maps"));
  const form = (value) => (Number.isInteger(value) ? String(value) : value.toFixed(1));
  const rows = one.networks.length
    ? kept(one).map((of, place) => ({
        site: titles[place],
        whole: whole[place],
        kept: of.value,
        from: of.from,
        to: of.to,
        said: `${worth(of, form)} of ${whole[place]}`,
      }))
    : [];
  const least = [...rows].sort((a, b) => a.kept / a.whole - b.kept / b.whole)[0];
  const finding = least
    ? `${one.run.name} has ${percent(one.maps.value)} % of all maps left; of ${least.site} it keeps least, ${least.said}. Pale is the whole network${one.networks.length > 1 ? ", the lines are ranges over seeds" : ""}.`
    : `${one.run.name} was not pruned so far.`;
  const shares = found.flatMap((other) =>
    other.networks.length
      ? kept(other).map((of, place) => ({
          run: other.run.name,
          site: titles[place],
          value: (100 * of.value) / whole[place],
          said: `${worth(of, form)} of ${whole[place]}`,
        }))
      : [],
  );
  const said = "Percent of every site's maps that are left, median over seeds. Click a cell to draw its run above.";
  renew(state, "network", { chart: "smaller", rows, title: `${study.case} pruned by ${one.run.name}`, finding });
  const click = ({ run }) => run && state.pick(run);
  renew(state, "kept", { chart: "left", rows: shares, title: "Where every run kept its maps", finding: said, click });
}

/** Shows a figure with other rows where it was drawn with as many under this title, or draws it. */
function renew(state, name, given) {
  const known = state[name];
  const same = known?.made.show && known.title === given.title && known.rows === given.rows.length;
  const made = same ? known.made : figure(given);
  if (same) made.show({ rows: given.rows, finding: given.finding });
  else replace(state.holders[name], made);
  state[name] = { made, title: given.title, rows: given.rows.length };
}
