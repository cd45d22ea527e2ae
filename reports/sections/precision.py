"""How a coarser floating-point precision changes the oracle's ranks."""

from pruning_oracle.reports.inputs.records import Record, precisions
from pruning_oracle.reports.sections.section import Section


def section(record: Record) -> Section | None:
    """A table with a row per case and precision: Spearman with the float64 oracle, and the time it takes; None without any."""
    table = precisions(record)
    if table.empty:
        return None
    ranks = [name for name in table.columns if name.startswith("oracle_")]
    table[ranks] = table[ranks].map("{:.4f}".format)
    table["largest difference, nats"] = table["largest difference, nats"].map("{:.1g}".format)
    table["seconds"] = table["seconds"].map("{:.1f}".format)
    caption = (
        "Spearman of the oracle in each precision with the oracle in float64, on the same examples, mean over sites and lowest"
        " site; the largest difference of any (example, map) pair; and what measuring took, planning included."
        f" In bfloat16 the network computes in that type and the loss in float32. Seed 0. {record.said}."
    )
    return Section("precision", "What a coarser precision does to the oracle", caption, table=table)
