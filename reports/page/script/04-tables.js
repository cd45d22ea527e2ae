// Tables: cells are text, DataTables sorts and filters them.

const LAST = -1e30; // what an undefined number counts as when rows are sorted

/**
 * A table that sorts by its headers, with buttons that copy it. `columns` are {title, group, number}; `rows` and `pinned` are
 * lists of cells: text, or {text, value, href, title, className, extra}. Pinned rows stay in sight below the others.
 */
function table({ name, label, columns: heads, rows, pinned = [], order, kept = () => true, high = false, wraps = false }) {
  const made = el(
    "table",
    { className: wraps ? "display wraps" : "display" },
    el("caption", { className: "unseen" }, label),
    header(heads),
    el(
      "tbody",
      {},
      rows.map((row) => line(row, heads)),
    ),
  );
  if (pinned.length)
    made.append(
      el(
        "tfoot",
        {},
        pinned.map((row) => line(row, heads)),
      ),
    );
  const box = el("div", { className: high ? "scroll high" : "scroll", tabIndex: 0, role: "region", "aria-label": label }, made);
  const grid = new DataTable(made, {
    paging: false,
    info: false,
    autoWidth: false,
    layout: { topStart: null, topEnd: null, bottomStart: null, bottomEnd: null },
    order: order ? [order] : [],
    columnDefs: heads.map((head, target) => ({
      targets: target,
      type: head.number ? "num" : "string",
      orderSequence: head.number ? ["desc", "asc"] : ["asc", "desc"],
    })),
  });
  grid.search.fixed("kept", (text, data, place) => kept(rows[place]));
  const read = () => [titles(heads, grid), ...Array.from(made.querySelectorAll("tbody tr, tfoot tr"), texts)];
  return {
    element: el("div", { className: "table" }, box, tableButtons(name, read)),
    grid,
    shown: () => grid.rows({ search: "applied" }).count(),
  };
}

function header(heads) {
  const cell = (head) => el("th", { scope: "col", title: head.says }, head.title);
  if (!heads.some((head) => head.group)) return el("thead", {}, el("tr", {}, heads.map(cell)));
  const first = el("tr");
  heads.forEach((head, place) => {
    if (!head.group) first.append(el("th", { scope: "col", rowSpan: 2 }, head.title));
    else if (heads[place - 1]?.group !== head.group)
      first.append(
        el(
          "th",
          {
            scope: "colgroup",
            colSpan: heads.filter((other) => other.group === head.group).length,
            className: "group",
            "data-dt-order": "disable",
          },
          head.link ?? head.group,
        ),
      );
  });
  return el("thead", {}, first, el("tr", {}, heads.filter((head) => head.group).map(cell)));
}

function line(row, heads) {
  return el(
    "tr",
    {},
    row.map((cell, place) => {
      const { text, value, href, title, className, extra } = typeof cell === "object" && cell !== null ? cell : { text: cell };
      const inner = href ? el("a", { href }, text) : text;
      const order = heads[place].number ? (Number.isFinite(value) ? value : LAST) : undefined;
      const shared = {
        className: [className, heads[place].number ? "number" : ""].filter(Boolean).join(" "),
        title,
        "data-order": order,
      };
      return place === 0
        ? el("th", { scope: "row", ...shared }, extra?.before, inner, extra?.after)
        : el("td", shared, extra?.before, inner, extra?.after);
    }),
  );
}

const titles = (heads, grid) =>
  heads
    .filter((head, place) => grid.column(place).visible())
    .map((head) => (head.group ? `${head.group}: ${head.title}` : head.title));
const texts = (row) =>
  Array.from(row.cells, (cell) =>
    Array.from(cell.childNodes, (node) => (node.nodeName === "BUTTON" || node.ariaHidden ? "" : node.textContent))
      .join("")
      .trim(),
  );
