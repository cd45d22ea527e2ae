// The figures and tables beside the page, for papers: every section of the report with its caption and files.

const GROUPS = { "all cases": "All networks", "all records": "What the truth takes" };

function papersView() {
  const groups = [...new Set(facts.sections.map(({ of }) => of))];
  const lead = "The report's figures as files beside this page: PNG, and PDF with fonts that papers take. A title opens what is said of it, its files and its table.";
  return [
    el("h1", {}, "Figures and tables for papers"),
    el("p", { className: "lead" }, lead),
    ...groups.map((of) => section(`of ${of}`, GROUPS[of] ?? of, ...facts.sections.filter((one) => one.of === of).map(paper))),
  ];
}

function paper({ title, caption, files, table: cells }) {
  const links = files.map((file) => el("a", { href: file.split("/").map(encodeURIComponent).join("/") }, file));
  const parts = [
    el("summary", {}, title),
    el("p", { className: "note" }, caption),
    links.length ? el("p", { className: "tools" }, links) : null,
  ];
  if (cells)
    parts.push(
      table({
        name: title,
        label: title,
        columns: cells.columns.map((name) => ({ title: name })),
        rows: cells.rows,
        wraps: true,
      }).element,
    );
  return el("details", {}, parts);
}
