from asr.seeds import draw_seed


def test_seeds_differ_by_every_part_and_are_the_same_everywhere():
    assert draw_seed(1, 2, "a") == draw_seed(1, 2, "a")
    assert len({draw_seed(*parts) for parts in [(1, 2, "a"), (1, 3, "a"), (2, 2, "a"), (1, 2, "b"), (12, "a")]}) == 5
    assert draw_seed("x") == 2697552496229297191  # a value that must not change between processes or versions
