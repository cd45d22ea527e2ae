"""How to cite: BibTeX that BibTeX reads, CITATION.cff as its schema asks and in agreement with it, and nothing invented."""

import doctest
import importlib.metadata
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from commands import surroundings
from tex import complaints, needs_tex, ran

from pruning_oracle.bench.runs.provenance import ROOT, commit
from pruning_oracle.reports import citation, latex
from pruning_oracle.reports.citation import CITATION, KEY, bibtex

yaml = pytest.importorskip("yaml", reason="CITATION.cff is YAML")
# of the Citation File Format's schema 1.2.0
REQUIRED = {"authors", "cff-version", "message", "title"}
ALLOWED = REQUIRED | {"abstract", "keywords", "license", "references", "type", "version"}
REFERENCE = {"authors", "title", "type"}
REFERENCES = REFERENCE | {"conference", "identifiers", "scope", "url", "year"}


def entries(text):
    """The entries of BibTeX by their keys, each with its type and fields; an error where it is no BibTeX."""
    found = {}
    for kind, key, body in re.findall(r"@(\w+)\{([\w-]+),\n(.*?)\n\}\n", text, re.S):
        fields = dict(re.findall(r"^  (\w+) *= \{(.*)\},?$", body, re.M))
        assert len(fields) == body.count("\n") + 1, body
        for value in fields.values():
            depths = [value[:end].count("{") - value[:end].count("}") for end in range(len(value) + 1)]
            assert min(depths) == depths[-1] == 0, value  # BibTeX counts braces that are escaped, too
        found[key] = {"type": kind} | fields
    assert text.count("@") == len(found)
    return found


def plain(text):
    return re.sub(r"[{}]", "", text)


@pytest.fixture
def cff():
    return yaml.safe_load(CITATION.read_text("utf-8"))


def test_the_entries_say_what_citation_cff_says(cff):
    found = entries(bibtex())
    suite, paper, (reference,) = found[KEY], found["molchanov2017pruning"], cff["references"]
    assert plain(suite["title"]) == cff["title"]
    assert plain(suite["author"]) == cff["authors"][0]["name"]
    assert suite["howpublished"].endswith(f"version {cff['version']}")
    assert paper["title"] == reference["title"]
    assert paper["author"] == " and ".join(f"{one['family-names']}, {one['given-names']}" for one in reference["authors"])
    assert (int(paper["year"]), paper["booktitle"]) == (reference["year"], reference["conference"]["name"])
    assert (f"arXiv:{paper['eprint']}", paper["url"]) == (reference["identifiers"][0]["value"], reference["url"])


def test_citation_cff_is_as_its_schema_asks_and_of_this_version(cff):
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    assert REQUIRED <= cff.keys() <= ALLOWED
    assert (cff["cff-version"], cff["type"]) == ("1.2.0", "software")
    assert all(isinstance(cff[name], str) and cff[name] for name in ALLOWED - {"authors", "keywords", "references"})
    assert (cff["version"], cff["license"], cff["keywords"]) == (project["version"], project["license"], project["keywords"])
    for reference in cff["references"]:
        assert REFERENCE <= reference.keys() <= REFERENCES
        assert all(set(author) == {"family-names", "given-names"} for author in reference["authors"])


def test_nothing_is_invented(cff):
    assert not {"doi", "url", "repository-code", "date-released", "commit", "identifiers"} & cff.keys()
    assert "year" not in entries(bibtex())[KEY]
    assert "Commit unknown" in entries(bibtex("0.1.0", "unknown"))[KEY]["note"]


def test_the_commit_is_that_of_this_copy():
    assert entries(bibtex())[KEY]["note"] == f"Commit {commit()}"
    found = entries(bibtex("1.0_a{b", "c%d"))[KEY]
    assert (found["howpublished"], found["note"]) == (r"Software, version 1.0\_a\textbraceleft{}b", r"Commit c\%d")


@pytest.mark.parametrize(
    ("noted", "known"),
    [
        ({"url": "u", "vcs_info": {"vcs": "git", "commit_id": "0123456789abcdef"}}, "0123456789ab"),
        ({"url": "u", "dir_info": {}}, "unknown"),
        (None, "unknown"),
        ([], "unknown"),
        ({"vcs_info": {"commit_id": 3}}, "unknown"),
    ],
)
def test_of_an_installed_copy_pip_knows_the_commit(monkeypatch, tmp_path, noted, known):
    class Installed:
        def read_text(self, name):
            return None if noted is None else json.dumps(noted)

        def locate_file(self, name):
            return ROOT

    monkeypatch.setitem(commit.__wrapped__.__globals__, "PROJECT", tmp_path / "none")
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Installed())
    assert commit.__wrapped__() == known
    monkeypatch.setattr(Installed, "locate_file", lambda self, name: tmp_path)  # another copy than that which runs
    assert commit.__wrapped__() == "unknown"


@pytest.mark.parametrize("module", [citation, latex])
def test_the_examples_in_docstrings(module):
    found = doctest.testmod(module)
    assert found.attempted
    assert not found.failed


def test_it_takes_neither_torch_nor_pandas():
    code = "import sys, pruning_oracle.reports.citation; sys.exit(', '.join({'torch', 'pandas'} & set(sys.modules)) or 0)"
    subprocess.run([sys.executable, "-c", code], check=True, env=surroundings())


@needs_tex
def test_bibtex_reads_it_and_latex_sets_it(tmp_path):
    (tmp_path / "paper.bib").write_text(bibtex("0.1.0_a&b", "abc-dirty-123"))
    body = rf"\cite{{{KEY}}} \nocite{{*}} \bibliographystyle{{plain}} \bibliography{{paper}}"
    assert not complaints(tmp_path, body, 345)
    log = ran(tmp_path, "bibtex", "paper", log="paper.blg")
    assert not re.findall(r"^(Warning|I |Repeated|.*error).*", log, re.M)
    assert not complaints(tmp_path, body, 345)
    bbl = (tmp_path / "paper.bbl").read_text()
    for said in ("The Pruning Oracle developers", "Pavlo Molchanov", "ersion 0.1.0", "Commit abc-dirty-123"):
        assert said in bbl
