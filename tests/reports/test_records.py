"""Records of `make timings`: what is computed from them by hand, the committed ones, and the networks they are of."""

import json
from pathlib import Path

import pytest
import torch
from toys import toy_case

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.command_line.grading import speed as print_speed
from pruning_oracle.oracle.exact.replay import Replay
from pruning_oracle.oracle.literal import literal
from pruning_oracle.reports.inputs import records
from pruning_oracle.reports.sections import precision, speed

from timings.networks import SETUPS, thin

PROVENANCE = {"versions": {"python": "3", "torch": "2"}, "commit": "c", "when": "2026-01-02T03:04:05Z"}


def benchmark(seconds, **facts):
    """As pytest-benchmark writes one."""
    return {"stats": {"median": seconds}, "extra_info": facts}


def engine(way, turn, seconds, share=1.0):
    """One way in one turn."""
    facts = {"network": "net <b>", "maps": 3, "of maps": 30, "examples": 2, "goals": {"literal": 5, "captum": 6}}
    facts |= {
        "operations of replay": 4e9,
        "operations of literal": 12e9,
        "matrix product, FLOP/s": 8e9,
        "peak bytes": {"replay": 2e6, "literal": 1e6},
    }
    return benchmark(seconds, way=way, turn=turn, share=share, **facts)


@pytest.fixture
def folder(tmp_path):
    found = [engine("replay", turn, seconds) for turn, seconds in enumerate((2.0, 1.0, 4.0))]
    found += [engine("literal", turn, seconds, 0.5) for turn, seconds in enumerate((20.0, 20.0, 20.0))]
    found += [engine("captum", turn, seconds) for turn, seconds in enumerate((12.0, 18.0, 12.0))]
    ranks = {"oracle_abs": 0.99, "oracle_loss": 1.0}
    facts = {"network": "net", "precision": "bfloat16", "maps": 3, "examples": 2, "largest difference, nats": 0.1}
    facts |= {"spearman, mean over sites": ranks, "spearman, lowest site": ranks}
    content = {"benchmarks": [*found, benchmark(3.0, **facts)], "machine_info": {"device": "cpu", "threads": 2}}
    (tmp_path / "timings.json").write_text(json.dumps(content | {"provenance": PROVENANCE}))
    return tmp_path


def test_ratios_by_hand(folder):
    row = records.engines(records.read_record(folder)).iloc[0]
    assert [row["literal"], row["literal low"], row["literal high"]] == [5, 2.5, 10]
    assert [row["captum"], row["captum low"], row["captum high"]] == [6, 3, 18]
    assert [row["GFLOP/s"], row["share of a matrix product"], row["peak of replay, MB"]] == [2, 0.25, 2]
    assert row["arithmetic allows"] == 3


def test_sections_say_what_was_measured(folder):
    record = records.read_record(folder)
    shown = speed.section(record)
    assert shown.table.iloc[0]["× literal"] == "5.0 (2.5 to 10.0)"
    assert shown.table.iloc[0]["maps timed"] == "3 of 30"
    assert "cpu, 2 threads, Python 3, torch 2, commit c, 2026-01-02" in shown.caption
    assert precision.section(record).table.iloc[0]["oracle_abs"] == "0.9900"


PARTS = {
    "precision alone": (lambda facts: "precision" in facts, "the record {} holds no timing of the speed of the engine replay"),
    "the engines alone": (lambda facts: "way" in facts, "the record {} holds no timing of the precision"),
    "a rival alone": (lambda facts: facts.get("way") == "captum", "the record {} holds no timing of the speed of the engine"),
    "nothing": (lambda facts: False, "the record {} holds no timing of the precision"),
    "replay alone": (lambda facts: facts.get("way") == "replay", "not timed"),
    "one rival": (lambda facts: facts.get("way") in {"replay", "literal"}, "not timed"),
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_of_the_timings_is_shown_and_what_lacks_is_said(folder, part, capsys):
    chosen, said = PARTS[part]
    content = json.loads((folder / "timings.json").read_text())
    content["benchmarks"] = [one for one in content["benchmarks"] if chosen(one["extra_info"])]
    (folder / "timings.json").write_text(json.dumps(content))
    print_speed(folder)
    shown = capsys.readouterr().out
    assert said.format(folder.name) in shown
    assert ("5.0 (2.5 to 10.0)" in shown) == (part in {"the engines alone", "one rival"})
    assert ("0.9900" in shown) == (part == "precision alone")


def test_a_record_that_is_none_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"no record at .*timings.json: make timings RECORD="):
        records.read_record(tmp_path)
    (tmp_path / "timings.json").write_text("{}")
    with pytest.raises(BadInput, match="is not what make timings writes"):
        records.read_record(tmp_path)


def test_committed_records_are_complete_and_name_no_machine():
    paths = sorted(records.ROOT.glob("*/timings.json"))
    assert paths
    for path in paths:
        record = records.read_record(path.parent)
        assert {"versions", "commit", "when", "command"} <= record.provenance.keys()
        assert "dirty" not in record.provenance["commit"]
        assert set(records.engines(record).network) == set(SETUPS)
        assert len(records.precisions(record)) >= 9
        text = path.read_text()
        assert not any(word in text for word in ('"node"', str(Path.home()), str(Path.cwd())))


@pytest.mark.parametrize("name", ["residual", "plain"])
def test_a_thinned_case_has_the_same_truth_of_fewer_maps(name):
    case = toy_case(name)
    few = thin(case, 4)
    assert thin(case, None) is case
    assert sum(site.maps for site in few.sites) == 4
    batch = next(case.batches(case.train, range(6), 6))
    for site in few.sites:
        whole = case.site(site.name)
        gate = few.model.get_submodule(site.gates[0])
        full = case.model.get_submodule(whole.gates[0])
        chosen = [full.maps[list(gate.maps).index(index)] for index in range(site.maps)]
        expected = literal(case, whole, batch)[:, chosen]
        for measured in (literal(few, site, batch), Replay(few)(site, batch)):
            torch.testing.assert_close(measured, expected, rtol=1e-9, atol=1e-12)
