// The page: reads the link, shows what it names, and keeps theme and order.

const parts = () => location.hash.slice(1).split("/").filter(Boolean).map(plain);
const plain = (text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};
const go = (...names) => {
  location.hash = path(...names);
};

/** What the link names without its section: the parts of a view. */
let view = [];
let ahead;
const here = () => view;

/** The view that a link names: its parts, its title and what it shows; the rest of the link is a section. */
function resolved(names) {
  const [first, second] = names;
  if (first === "criterion" && second in facts.criteria) return [2, second, () => criterionView(second)];
  if (first === "figures") return [1, "Figures and tables for papers", papersView];
  if (first === "trust") return [1, "How far to trust this", trustView];
  if (first === "sets") return [1, "Sets", setsView];
  if (first === "pruning") return [1, "What is left when maps are pruned", pruningView];
  const pruned = prunedCase(first);
  const study = pruned && pruningStudy(pruned, second);
  if (study) return [follows(names.slice(2)) ? 4 : 2, `${pruned.name}, pruned`, () => studyView(pruned, study)];
  if (pruned && second === "pruning") return [2, `${pruned.name}, pruned`, () => studyView(pruned)];
  const net = network(first);
  if (!net)
    return facts.networks.length
      ? [0, "Criteria by network", overview]
      : [0, "What is left when maps are pruned", pruningView];
  seed = net.seed;
  const place = Number(names[2]);
  if (second !== "site" || !net.sites[place - 1]) return [1, net.name, () => networkView(net)];
  const map = Number(names[4]);
  if (names[3] !== "map" || !(map >= 0 && map < net.sites[place - 1].maps && Number.isInteger(map)))
    return [3, `${net.name}, site ${place}`, () => siteView(net, place)];
  return [5, `${net.name}, site ${place}, map ${map}`, () => mapView(net, place, map)];
}

/** Shows what the link names: from its top or its section or, where only its looks changed, where the reader was. */
function render(stay = false) {
  const where = scrollY;
  const names = parts();
  const [length, title, made] = resolved(names);
  const main = document.getElementById("main");
  view = names.slice(0, length);
  document.title = `Pruning Oracle: ${title}`;
  replace(main, crumbs(view), ...made().filter(Boolean));
  for (const link of document.querySelectorAll("header nav a")) {
    if (plain(link.hash.slice(1)) === (view[0] ?? "").split("@")[0]) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const target = names[length] && main.querySelector(`[data-section="${CSS.escape(names[length])}"]`);
  if (stay) scrollTo(0, where);
  else if (target) target.scrollIntoView();
  else scrollTo(0, 0);
  announce(title);
  clearTimeout(ahead);
  ahead = setTimeout(drawAhead, 1000);
}

function crumbs(names) {
  if (!names.length) return "";
  const links = facts.networks.length ? [el("a", { href: "#" }, "All criteria")] : [];
  if (prunedCase(names[0]) && names[1]?.startsWith("pruning")) links.push(el("a", { href: "#pruning" }, "Pruning"));
  if (names.length > 1 && names[0] !== "criterion" && network(names[0])) links.push(el("a", { href: path(names[0]) }, names[0]));
  if (names.length > 3 && names[1] === "site") links.push(el("a", { href: path(...names.slice(0, 3)) }, `site ${names[2]}`));
  return el("nav", { className: "crumbs", "aria-label": "Where this is" }, links);
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
  document.getElementById("theme").textContent = theme === "dark" ? "Light" : "Dark";
}

function menu() {
  const nav = document.querySelector("header nav");
  nav.append(
    ...(facts.networks.length ? [el("a", { href: "#" }, "Criteria")] : []),
    ...facts.networks.map(({ name }) => el("a", { href: path(name) }, name)),
    el("a", { href: "#pruning" }, "Pruning"),
    el("a", { href: "#sets" }, "Sets"),
    el("a", { href: "#figures" }, "Figures"),
    el("a", { href: "#trust" }, "Trust and citing"),
  );
  const wanted = matchMedia("(prefers-color-scheme: dark)");
  setTheme(wanted.matches ? "dark" : "light");
  wanted.addEventListener("change", () => {
    if (matchMedia("print").matches) return;
    setTheme(wanted.matches ? "dark" : "light");
    render(true);
  });
  document.getElementById("theme").addEventListener("click", () => {
    setTheme(dark() ? "light" : "dark");
    render(true);
  });
  document.getElementById("order").addEventListener("change", () => render(true));
  document.getElementById("skip").addEventListener("click", () => document.getElementById("main").focus());
}

/** Draws again for another width, once the window has kept it for a moment. */
function follow() {
  let [width, soon] = [innerWidth, 0];
  addEventListener("resize", () => {
    clearTimeout(soon);
    soon = setTimeout(() => {
      if (innerWidth !== width && !matchMedia("print").matches) render(true);
      width = innerWidth;
    }, 300);
  });
}

async function open() {
  try {
    await unpack(document.getElementById("data"));
    menu();
    render();
    follow();
    addEventListener("hashchange", () => {
      render();
      document.getElementById("main").focus({ preventScroll: true });
    });
    document.documentElement.dataset.ready = Math.round(performance.now());
  } catch (error) {
    document.getElementById("main").replaceChildren(el("p", { role: "alert" }, `${error.message ?? error}`));
    throw error;
  }
}

open();
