"""How to cite this suite and the paper whose oracle and criteria it measures, as BibTeX; `CITATION.cff` says the same."""

from pruning_oracle.bench.runs.provenance import ROOT, commit, version
from pruning_oracle.reports.latex import latex_text

CITATION = ROOT / "CITATION.cff"  # part of an installed copy, too
KEY = "pruning-oracle"
HOW = "pruning-oracle cite"  # the command that prints this
PAPER = """@inproceedings{molchanov2017pruning,
  author        = {Molchanov, Pavlo and Tyree, Stephen and Karras, Tero and Aila, Timo and Kautz, Jan},
  title         = {Pruning Convolutional Neural Networks for Resource Efficient Inference},
  booktitle     = {International Conference on Learning Representations},
  year          = {2017},
  eprint        = {1611.06440},
  archiveprefix = {arXiv},
  url           = {https://arxiv.org/abs/1611.06440}
}
"""


def bibtex(release: str = "", at: str = "") -> str:
    """The entries of this suite and of the paper that it replicates, for a BibTeX file.

    A version that was never released has no date, so the suite's entry gives no year: its commit says which code it is.

    Args:
        release: the version to cite; by default that of this copy.
        at: the commit to cite; by default that of this copy, which is not known outside a checkout unless pip installed it
            from one. Where it is `unknown` the entry says so.

    Returns:
        Two entries, `pruning-oracle` and `molchanov2017pruning`.

    Examples:
        >>> print(bibtex("0.1.0", "0123456789ab").splitlines()[4].strip())
        note         = {Commit 0123456789ab}
    """
    release, at = release or version(), at or commit()
    which = "Commit unknown" if at == "unknown" else f"Commit {at}"
    return f"""@misc{{{KEY},
  author       = {{{{The Pruning Oracle developers}}}},
  title        = {{{{Pruning Oracle}}: what removing each feature map really costs, and which criterion knows}},
  howpublished = {{Software, version {latex_text(release)}}},
  note         = {{{latex_text(which)}}}
}}

{PAPER}"""
