// Copying and saving: numbers with what they need to be cited, tables as CSV, Markdown and LaTeX, figures, the data.

/** A button that does something and says so to screen readers, too. */
function button(text, act, title) {
  return el("button", { type: "button", title, onclick: act }, text);
}

/** Puts text on the clipboard; where the browser refuses, shows it selected, to be copied by hand. */
async function copy(text, what) {
  try {
    const pressed = document.activeElement;
    await navigator.clipboard.writeText(text);
    announce(`${what} copied`);
    if (pressed?.tagName === "BUTTON") flash(pressed, "Copied");
  } catch {
    const shown = el("textarea", { readOnly: true, value: text, rows: 12, "aria-label": what });
    const dialog = el(
      "dialog",
      {},
      el("p", {}, `Copy ${what} from here:`),
      shown,
      button("Close", () => dialog.close()),
    );
    dialog.addEventListener("close", () => dialog.remove());
    document.body.append(dialog);
    dialog.showModal();
    shown.select();
  }
}

/** Lets a button say for a moment what it did. */
function flash(pressed, text) {
  const before = pressed.dataset.says ?? pressed.textContent;
  pressed.dataset.says = before;
  pressed.textContent = text;
  setTimeout(() => {
    pressed.textContent = before;
  }, 1500);
}

/** Says a sentence in the page's status line. */
function announce(text) {
  document.getElementById("status").textContent = text;
}

/** Saves text or a blob as a file. */
function save(content, name, type = "text/plain") {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  el("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10000);
  announce(`${name} saved`);
}

/** Where the page is: of a page on somebody's disk, which no reader could open, its name and the link within it. */
const address = () =>
  location.protocol === "file:" ? `${location.pathname.split("/").pop()}${location.hash}` : location.href;

/** A button that copies a sentence with its source and BibTeX, those of the page or those given. */
function citing(sentence, { sentences, source } = facts) {
  return button(
    "Cite",
    () => copy(`${sentence}\n${sentences[0]}\n${address()}\n\n${source.bibtex}`, "Citation"),
    "Copy this number with its interval, examples, commit and BibTeX",
  );
}

/** The buttons of a table: copied in three ways, saved as CSV. */
function tableButtons(name, read) {
  return el(
    "div",
    { className: "tools", role: "group", "aria-label": "This table" },
    button("Copy CSV", () => copy(csv(read()), "CSV")),
    button("Copy Markdown", () => copy(markdown(read()), "Markdown")),
    button("Copy LaTeX", () => copy(latex(read()), "LaTeX")),
    button("Save CSV", () => save(csv(read()), `${name}.csv`, "text/csv")),
  );
}

/** Cells as CSV; what a spreadsheet would compute is preceded by an apostrophe. */
function csv(rows) {
  const cell = (text) => {
    const plain = text.replaceAll("−", "-");
    const safe = /^[=+@\t\r-]/.test(plain) && Number.isNaN(Number(plain)) ? `'${plain}` : plain;
    return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return `${rows.map((row) => row.map(cell).join(",")).join("\n")}\n`;
}

/** Cells as a Markdown table. */
function markdown(rows) {
  const line = (row) => `| ${row.map((text) => text.replaceAll("\n", " ").replace(/([|<\\])/g, "\\$1")).join(" | ")} |`;
  return `${[line(rows[0]), `|${":--|".repeat(rows[0].length)}`, ...rows.slice(1).map(line)].join("\n")}\n`;
}

/** Cells as a LaTeX table, with rules of booktabs. */
function latex(rows) {
  const signs = {
    "\\": "\\textbackslash{}",
    "~": "\\textasciitilde{}",
    "^": "\\textasciicircum{}",
    "−": "$-$",
    "≈": "$\\approx$",
    "†": "$\\dagger$",
    ℓ: "$\\ell$",
    "²": "$^2$",
  };
  const text = (cell) => cell.replace(/[\\~^−≈†ℓ²]|[&%$#_{}]/g, (sign) => signs[sign] ?? `\\${sign}`);
  const line = (row) => `${row.map(text).join(" & ")} \\\\`;
  const body = [line(rows[0]), "\\midrule", ...rows.slice(1).map(line)];
  return `\\begin{tabular}{${"l".repeat(rows[0].length)}}\n\\toprule\n${body.join("\n")}\n\\bottomrule\n\\end{tabular}\n`;
}
