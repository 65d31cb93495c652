from paribus.seeding import derive


def test_streams_differ_by_seed_and_purpose_and_repeat() -> None:
    assert derive(0, "order", 1) == derive(0, "order", 1)
    assert len({derive(0, "order", 1), derive(0, "order", 2), derive(1, "order", 1), derive(0, "weights", 1)}) == 4
    assert 0 <= derive(123, "x") < 2**63
