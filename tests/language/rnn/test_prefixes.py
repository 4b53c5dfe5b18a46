"""The tree of prefixes, against the prefixes themselves."""

from hypothesis import given
from hypothesis import strategies as st

from asr.language.rnn.bptt import LINE_BREAK
from asr.language.rnn.prefixes import build_prefix_tree


def prefixes_of(runs):
    """The tokens from the root to each node, in the order of the nodes."""
    found, last = [], [()]
    for parents, tokens in runs:
        last = [last[parent] for parent in parents]
        for row in tokens.tolist():
            last = [(*before, token) for before, token in zip(last, row, strict=True)]
            found += last
    return found


@given(st.lists(st.lists(st.integers(1, 3), max_size=7), min_size=1, max_size=9))
def test_every_target_follows_its_prefix_which_is_a_node_once(lines):
    tree = build_prefix_tree(lines)
    prefixes = prefixes_of(tree.runs)
    assert len(set(prefixes)) == len(prefixes)
    found = [
        (line, prefixes[node], target)
        for line, node, target in zip(tree.lines.tolist(), tree.nodes.tolist(), tree.targets.tolist(), strict=True)
    ]
    expected = []
    for number, line in enumerate(lines):
        whole = (LINE_BREAK, *line, LINE_BREAK)
        expected += [(number, whole[:end], whole[end]) for end in range(1, len(whole))]
    assert found == expected
    assert {prefix for _, prefix, _ in found} == set(prefixes)


def test_nodes_without_branches_are_one_run():
    tree = build_prefix_tree([[1, 2, 3, 4, 5], [1, 2, 3, 6, 7]])
    assert [run.tokens.tolist() for run in tree.runs] == [[[0], [1], [2], [3]], [[4, 6], [5, 7]]]
