"""What checks commands that are not run notices a command, an option, a value, a target and a module that do not exist."""

import pytest
import shown_commands

NOT_RUN = """
#SBATCH --gres=gpu:1
git clone <this repository> && cd pruning-oracle
srun pruning-oracle oracle mine.py --seed $TASK --device cuda   # on a cluster
pruning-oracle compare vgg-digits --seeds 0 1 2 \\
    --jobs 2
make compare CASES="vgg-digits resnet-digits" SEEDS="0 1 2"
python -m pruning_oracle.oracle vgg-digits
pytest --pruning-oracle-criteria mine.py
"""


def checked(block, pytestconfig):
    for command in shown_commands.words_of(block):
        shown_commands.check(command, pytestconfig.getoption)


def test_commands_that_exist_are_taken(pytestconfig):
    assert len(shown_commands.words_of(NOT_RUN)) == 7
    checked(NOT_RUN, pytestconfig)


@pytest.mark.parametrize(
    ("block", "said"),
    [
        ("pruning-oracle measure vgg-digits", "no command 'measure'"),
        ("pruning-oracle oracle vgg-digits --budgets 1", "No such option"),
        ("pruning-oracle oracle vgg-digits --seed one", "seed"),
        ("cd here && pruning-oracle grade", "Missing argument"),
        ("make everything", "No rule to make target"),
        ("make compare CASE=vgg-digits", "unknown variable CASE"),
        ("python -m pruning_oracle.nowhere", "no module"),
        ("pytest --pruning-oracle-nothing", "no option named"),
        ("sudo reboot", "nothing checks sudo reboot"),
    ],
)
def test_what_does_not_exist_is_named(block, said, pytestconfig):
    with pytest.raises((AssertionError, ValueError), match=said):
        checked(block, pytestconfig)


def test_mentions_in_sentences_are_checked():
    shown_commands.check_mention("pruning-oracle train CASE --epochs … --rate …")
    shown_commands.check_mention("pruning-oracle COMMAND --help")
    with pytest.raises(AssertionError, match="there is no --epoch"):
        shown_commands.check_mention("pruning-oracle train CASE --epoch …")
