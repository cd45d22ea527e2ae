"""Sets of maps: equal ones are one, what is wrong in them is named, and random ones follow from a seed alone."""

import collections

import numpy as np
import pytest
from toys import toy_case

from pruning_oracle.bench.errors import BadInput
from pruning_oracle.bench.map_set import MapSet, checked_sets, random_sets, read_sets


@pytest.fixture(scope="module")
def case():
    return toy_case("plain")  # features.0 of 5 maps and features.4 of 4


def test_sets_of_the_same_maps_are_one():
    one, other = MapSet.of({"b": [3, 1], "a": (0,), "c": []}), MapSet.of({"a": [0], "b": [1, 3]})
    assert one == other
    assert len({one, other}) == 1
    assert len(one) == 3
    assert one.named == {"a": [0], "b": [1, 3]}
    assert MapSet.of({}).named == {}


def test_what_is_right_keeps_its_order(case):
    given = [
        {"features.4": [2, 0]},
        {},
        MapSet.of({"features.0": [1]}),
        {"features.0": np.array([3, 2]), "features.4": range(3)},
    ]
    named = [one.named for one in checked_sets(case, given)]
    assert named == [{"features.4": [0, 2]}, {}, {"features.0": [1]}, {"features.0": [2, 3], "features.4": [0, 1, 2]}]
    assert {type(index) for one in named for indices in one.values() for index in indices} == {int}


WRONG = {
    "unknown site 'features.1': choose from features.0, features.4": {"features.1": [0]},
    r"sets\[1\], site 'features.0': there is no map 5; allowed are 0 to 4": {"features.0": [0, 5]},
    r"there is no map -1; allowed are 0 to 4": {"features.0": [-1]},
    r"there is no map True; allowed are 0 to 4": {"features.0": [True]},
    r"there is no map 1\.0; allowed are 0 to 4": {"features.0": [1.0]},
    r"map 2 is named twice; allowed is each once": {"features.0": [2, 2]},
    r"sets\[1\], site 'features.4': all 4 maps are named; a set must leave one at every site": {"features.4": [3, 2, 1, 0]},
    r"site 'features.4': 3 is no list of maps": {"features.4": 3},
    r"site 'features.4': '12' is no list of maps": {"features.4": "12"},
    r"sets\[1\] is \[0, 1\]; allowed is a list of sets such as": [0, 1],
}


@pytest.mark.parametrize("message", WRONG)
def test_what_is_wrong_is_named_with_its_place(case, message):
    with pytest.raises(BadInput, match=message):
        checked_sets(case, [{}, WRONG[message]])


@pytest.mark.parametrize("sets", [{"features.0": [1]}, "features.0", MapSet.of({"features.0": [1]}), None])
def test_a_set_is_no_list_of_sets(case, sets):
    with pytest.raises(BadInput, match="is no list of sets; allowed is a list of sets such as"):
        checked_sets(case, sets)


def test_no_sets_are_none(case):
    with pytest.raises(BadInput, match="sets holds 0 sets; allowed are 1 to 1,000,000"):
        checked_sets(case, [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "No such file or directory; allowed is a JSON file with a list of sets"),
        ("[{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ('[{"features.0": [1], "features.0": [2]}]', "a set names a site twice"),
        ('{"features.0": [1]}', "is no list of sets"),
        ("[3]", r"sets.json\[0\] is 3; allowed is"),
        ('[{"features.0": [9]}]', r"sets.json\[0\], site 'features.0': there is no map 9"),
    ],
)
def test_a_file_that_holds_no_sets_is_refused(case, tmp_path, text, message):
    if text is not None:
        (tmp_path / "sets.json").write_text(text)
    with pytest.raises(BadInput, match=f"--sets .*{message}"):
        read_sets(case, tmp_path / "sets.json")


def test_sets_of_a_file(case, tmp_path):
    (tmp_path / "sets.json").write_text('[{"features.0": [1, 0]}, {}]')
    assert read_sets(case, tmp_path / "sets.json") == [MapSet.of({"features.0": [0, 1]}), MapSet.of({})]


def test_random_sets_follow_from_the_seed_and_empty_no_site(case):
    sets = random_sets(case, 300, 1 / 3, 4)
    assert sets == random_sets(case, 300, 1 / 3, 4)
    assert sets[:3] == random_sets(case, 3, 1 / 3, 4)
    assert sets != random_sets(case, 300, 1 / 3, 5)
    assert {len(one) for one in sets} == {3}
    assert checked_sets(case, sets) == sets
    counts = collections.Counter((site, index) for one in sets for site, indices in one.maps for index in indices)
    assert len(counts) == 9
    assert min(counts.values()) > 70  # each of 9 maps in a third of 300
    assert max(counts.values()) < 130
    assert {len(one) for one in random_sets(case, 5, 7 / 9, 0)} == {7}
    assert {len(one) for one in random_sets(case, 5, 0.01, 0)} == {1}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((0, 0.1, 0), "--random is 0; allowed are whole numbers from 1"),
        ((1, 0.0, 0), "--share is 0.0; allowed are numbers above 0 up to 1"),
        ((1, 0.1, -1), "--draw-seed is -1; allowed are"),
        ((1, 0.9, 0), "--share 0.9 is 8 of 9 maps; allowed are at most 7, since every site keeps one"),
    ],
)
def test_draws_that_cannot_be_made(case, given, message):
    with pytest.raises(BadInput, match=message):
        random_sets(case, *given)
