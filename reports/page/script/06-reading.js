// What the columns say of networks, criteria and maps, by name. Sites are numbered from 1, maps of a site from 0.

const MEAN = 0; // behind the sites: the mean over sites, all sites, all sites by ℓ2
const ORACLE = "oracle";

/** A network by its name, or by `name@seed` where maps of another seed than the first are meant; undefined if unknown. */
function network(link) {
  const [name, value] = (link ?? "").split("@");
  const place = facts.networks.findIndex((one) => one.name === name);
  if (place < 0) return undefined;
  const about = facts.networks[place];
  let first = 0;
  const starts = about.sites.map(({ maps }) => (first += maps) - maps);
  const seed = Math.max(0, about.seeds.map(String).indexOf(value));
  return { ...about, place, starts, maps: first, seed, link: linkOf(about, seed) };
}

/** How a network is linked to with the maps of a seed, by its place. */
const linkOf = ({ name, seeds }, seed) => (seed ? `${name}@${seeds[seed]}` : name);

/** Spearman of a criterion at a scope, as {value, from, to}: median and range over seeds, or one seed's interval. */
function agreement(net, criterion, scope, examples = "fresh") {
  const row = net.criteria.indexOf(criterion);
  if (row < 0) return { value: Number.NaN };
  const seeds = net.seeds.map((_, seed) => Array.from(at(`${net.place}/${examples}`, row, scope, seed)));
  if (seeds.length === 1) return { value: seeds[0][0], from: seeds[0][1], to: seeds[0][2] };
  const values = seeds.map(([value]) => value).filter((value) => !Number.isNaN(value));
  return { value: median(values), from: Math.min(...values), to: Math.max(...values), seeds: values.length };
}

/** The noise ceiling at a scope, median over seeds. */
const ceiling = (net, scope) => median(at(`${net.place}/ceiling`, scope));

/** How far a criterion's agreement lies behind another's, paired over examples; undefined where one of them has none. */
function behindOther(net, best, criterion) {
  const [first, second] = [best, criterion].map((name) => net.compared.indexOf(name));
  if (first < 0 || second < 0) return undefined;
  const behind = at(`${net.place}/mean`, first) - at(`${net.place}/mean`, second);
  const width = 1.96 * at(`${net.place}/errors`, first, second);
  const [low, high] = [behind - width, behind + width];
  return { best, behind, low, high, tied: low <= 0 && high >= 0 };
}

/** Of some criteria the one whose agreement, mean over seeds, is highest. */
function bestOf(net, criteria) {
  const mean = (name) => at(`${net.place}/mean`, net.compared.indexOf(name));
  const known = criteria.filter((name) => net.compared.includes(name) && !Number.isNaN(mean(name)));
  return known.sort((a, b) => mean(b) - mean(a))[0];
}

/** Scores of every map at a seed: of a criterion on fresh examples, or of the oracle, signed or not. */
function scores(net, seed, criterion) {
  const row = net.scored.indexOf(criterion);
  if (row >= 0) return at(`${net.place}/${seed}/score`, row);
  const change = Array.from({ length: net.maps }, (_, map) => at(`${net.place}/${seed}/change`, map, 0));
  return criterion === ORACLE ? change.map(Math.abs) : change;
}

/** Places of scores within their sites, from 0 for the least to 1. */
function placesWithin(net, values) {
  return net.sites.flatMap((_, site) => Array.from(placesAt(net, values, site)));
}

/** Places of the scores of one site, which is numbered from 0. */
function placesAt(net, values, site) {
  const first = net.starts[site];
  return places(Array.from(values.slice(first, first + net.sites[site].maps)));
}

/** Every map of a network at a seed: where it is and what its removal costs. */
function mapsOf(net, seed) {
  return net.sites.flatMap((site, place) =>
    Array.from({ length: site.maps }, (_, map) => {
      const index = net.starts[place] + map;
      const [change, low, high] = at(`${net.place}/${seed}/change`, index);
      return { site: site.name, place: place + 1, map, index, change, low, high };
    }),
  );
}

const family = (criterion) => facts.criteria[criterion]?.family ?? "";
const lookOf = (criterion) => facts.families.find(({ name }) => name === family(criterion));

/** Criteria in the order that the reader chose for the whole page. */
function ordered(net, names) {
  const by = document.getElementById("order").value;
  const key = { best: () => 0, name: (name) => name, family: (name) => `${family(name)} ${name}` }[by];
  return by === "best" ? names : [...names].sort((a, b) => (key(a) < key(b) ? -1 : 1));
}

/** The mark of a criterion's family beside its name. */
function swatch(criterion, of = lookOf(criterion)) {
  const signs = { circle: "●", square: "■", "triangle-up": "▲", diamond: "◆" };
  const made = el("span", { className: "swatch", "aria-hidden": "true" }, of ? signs[of.shape] : "");
  if (of) made.style.color = of[dark() ? "dark" : "light"];
  return made;
}

const path = (...parts) => `#${parts.map((part) => encodeURIComponent(part).replaceAll("%40", "@")).join("/")}`;
const marked = (criterion) => (facts.criteria[criterion]?.order ? `${criterion} †` : criterion);
const spreadSaid = (net) =>
  net.seeds.length > 1 ? `median and range over ${net.seeds.length} seeds` : "with its 95 % interval over examples";

/** A sentence that cites an agreement. */
function cited(net, criterion, of, where = "per site, mean over sites") {
  return `Spearman ${spread(of, (value) => number(value, 3))} of ${criterion} with oracle_abs on ${net.name} (${where}; fresh examples; ${spreadSaid(net)}; n = ${net.examples} oracle and ${net.fresh} fresh examples per seed; noise ceiling ${number(net.ceiling, 3)}).`;
}
