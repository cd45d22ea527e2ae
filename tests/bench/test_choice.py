"""Whoever measures can choose the examples: which are shared, how many are fresh, and the seed of the draw."""

import pytest
import torch
from commands import CASE, command
from toys import toy_case

from pruning_oracle.bench import runs
from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.loading.choice import REST, ExampleChoice, parse_rows


@pytest.fixture
def mine(tmp_path):
    (tmp_path / "mine.py").write_text(CASE.format(label=1, mode=".eval()"))
    return tmp_path


def measured(folder, *words):
    """The shared and fresh rows of the run files that both stages wrote."""
    for stage, more in (("oracle", []), ("criteria", ["--criteria", "taylor"])):
        done = command(stage, "mine.py", *more, *words, folder=folder)
        assert done.returncode == 0, done.stderr
    oracle, criteria = (runs.load(folder / f"runs/mine/0/{name}.safetensors", name) for name in ("oracle", "criteria"))
    assert oracle.arrays["rows"].tolist() == criteria.arrays["shared/rows"].tolist()
    assert oracle.facts["sample seed"] == criteria.facts["sample seed"]
    assert oracle.facts["chosen"] == criteria.facts["chosen"]
    return criteria.arrays["shared/rows"].tolist(), criteria.arrays["fresh/rows"].tolist(), oracle.facts


def drawn(seed, size=20):
    return torch.randperm(size, generator=torch.Generator().manual_seed(seed)).tolist()


def test_without_a_choice_the_draw_is_as_ever():
    case = toy_case("plain", 12)
    order = drawn(case.seed, len(case.train))
    assert case.split(7) == (sorted(order[:7]), sorted(order[7:14]))
    assert ExampleChoice(7).split(case) == case.split(7)


def test_rows_are_the_oracles_own_and_all_others_may_be_fresh(mine):
    shared, fresh, facts = measured(mine, "--rows", "3:6,0", "--fresh", REST)
    assert shared == [0, 3, 4, 5]
    assert fresh == sorted(set(range(20)) - {0, 3, 4, 5})
    assert facts["chosen"] == "by rows"
    assert command("reports", "grade", "mine", folder=mine).returncode == 0


def test_rows_may_lie_in_a_file_in_any_order(mine):
    (mine / "rows.txt").write_text("7\n2, 11\n\n4:6\n")
    shared, fresh, _ = measured(mine, "--rows", "rows.txt", "--fresh", "3")
    assert shared == [2, 4, 5, 7, 11]
    assert len(fresh) == 3
    assert not set(fresh) & set(shared)


def test_the_sample_has_a_seed_of_its_own(mine):
    shared, fresh, facts = measured(mine, "--sample-seed", "7", "--examples", "6", "--fresh", "4")
    assert (shared, fresh) == (sorted(drawn(7)[:6]), sorted(drawn(7)[6:10]))
    assert (facts["seed"], facts["sample seed"], facts["chosen"]) == (0, 7, "by draw")


def test_the_pairs_of_an_estimated_oracle_are_drawn_by_the_samples_seed(mine):
    masks = []
    for seed in ("0", "0", "1"):
        words = ["mine.py", "--rows", "0:9", "--budget", "0.4", "--sample-seed", seed, "--out", f"{len(masks)}.safetensors"]
        done = command("oracle", *words, folder=mine)
        assert done.returncode == 0, done.stderr
        masks.append(runs.load(mine / words[-1], "oracle").arrays["measured/0"].tolist())
    assert masks[0] == masks[1] != masks[2]


def test_another_choice_makes_a_file_stale_and_a_report_notices_it(mine):
    measured(mine, "--rows", "0:5")
    again = command("oracle", "mine.py", "--rows", "0:5", folder=mine)
    assert "is up to date" in again.stdout
    assert "is up to date" not in command("oracle", "mine.py", "--rows", "1:6", folder=mine).stdout
    done = command("reports", "grade", "mine", folder=mine)
    assert done.returncode == 2
    assert "are of different shared examples" in done.stderr


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"rows": range(18)}, r"18 examples asked for; allowed are 3 to 17 \(3 of 20 must stay fresh\)"),
        ({"rows": [0, 1]}, "2 examples asked for"),
        ({"rows": [0, 1, 20]}, "row 20 is none of them; the training set has rows 0 to 19"),
        ({"rows": [0, 1, -1]}, "row -1 is none of them"),
        ({"rows": [0, 1, 1]}, "a row is named twice"),
        ({"fresh": 2}, "2 fresh examples asked for; at least 3 are needed"),
        ({"seed": -1}, "the seed of the sample is -1; allowed are whole numbers from 0"),
    ],
)
def test_a_choice_that_cannot_be_is_named(how, message):
    case = toy_case("plain", 10)
    assert len(case.train) == 20
    with pytest.raises(BadInput, match=message):
        case.split(**how)


def test_files_of_rows_that_are_none(tmp_path):
    (tmp_path / "words").write_text("1 2 three")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    for name, message in (("words", "holds 'three'"), ("bytes", "cannot be read as text"), ("none", "there is no such file")):
        with pytest.raises(BadInput, match=message):
            parse_rows(str(tmp_path / name))
    with pytest.raises(BadInput, match="holds '0:999999999'"):
        parse_rows("0:999999999")
