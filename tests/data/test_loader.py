from itertools import chain, pairwise

import pytest
import torch
from torch import Tensor

from paribus.data.loader import Batch, BatchLoader, Loading, TokenOrder


def _loader(
    rows: int, batch_size: int, seed: int = 0, group: int = 1, *, shuffle: bool = True, accumulate: int | None = 1
) -> BatchLoader:
    """Row i holds i and has the target 10 i."""
    inputs = torch.arange(rows)[:, None]
    return BatchLoader(inputs, 10 * inputs[:, 0], Loading(seed, batch_size, group, accumulate), shuffle=shuffle)


def _batches(loader: BatchLoader) -> list[Batch]:
    return list(loader.batches())


def _order(loader: BatchLoader) -> list[int]:
    return torch.cat([inputs[:, 0] for inputs, _ in _batches(loader)]).tolist()


@pytest.mark.parametrize("group", [1, 3])
@pytest.mark.parametrize(("rows", "batch_size"), [(10, 3), (10, 5), (11, 5), (3, 1), (1, 4), (7, 7), (8, 7)])
def test_every_sample_comes_once_an_epoch_with_its_target(rows: int, batch_size: int, group: int) -> None:
    loader = _loader(rows, batch_size, group=group)
    for epoch in range(3):
        loader.sampler.set_epoch(epoch)
        batches = _batches(loader)
        assert sorted(torch.cat([inputs[:, 0] for inputs, _ in batches]).tolist()) == list(range(rows))
        assert all(torch.equal(10 * inputs[:, 0], targets) for inputs, targets in batches)


def test_the_order_is_a_function_of_seed_and_epoch() -> None:
    loader = _loader(50, 8, seed=3)
    orders = []
    for epoch in (0, 1, 0):
        loader.sampler.set_epoch(epoch)
        orders.append(_order(loader))
    assert orders[0] == orders[2] == _order(_loader(50, 8, seed=3))
    assert orders[0] != orders[1]
    assert orders[0] != _order(_loader(50, 8, seed=4))


def test_the_order_leaves_the_global_random_stream_alone() -> None:
    before = torch.get_rng_state()
    _order(_loader(50, 8))
    assert torch.equal(torch.get_rng_state(), before)


def test_the_order_does_not_depend_on_the_batch_size() -> None:
    assert _order(_loader(50, 8)) == _order(_loader(50, 20))


def test_without_shuffling_rows_come_as_they_lie() -> None:
    assert _order(_loader(10, 3, shuffle=False)) == list(range(10))


@pytest.mark.parametrize(
    ("rows", "batch_size", "sizes"),
    [(10, 3, [3, 3, 4]), (11, 3, [3, 3, 3, 2]), (9, 3, [3, 3, 3]), (4, 3, [4]), (3, 1, [1, 1, 1]), (1, 3, [1])],
)
def test_a_last_single_row_joins_the_batch_before(rows: int, batch_size: int, sizes: list[int]) -> None:
    loader = _loader(rows, batch_size)
    assert [len(inputs) for inputs, _ in _batches(loader)] == sizes
    assert loader.num_batches == len(sizes)


@pytest.mark.parametrize("group", [2, 3, 5, 100])
def test_groups_hold_the_same_batches_in_the_same_order(group: int) -> None:
    single, grouped = _loader(50, 8), _loader(50, 8, group=group)
    groups = list(grouped)
    sizes = [len(batches) for batches in groups]
    assert len(grouped) == len(groups) == -(-len(single) // group)
    assert sizes[:-1] == [group] * (len(groups) - 1)
    for (inputs, _), (expected, _) in zip(
        chain.from_iterable(chain.from_iterable(groups)), _batches(single), strict=True
    ):
        assert torch.equal(inputs, expected)


@pytest.mark.parametrize("group", [1, 2])
@pytest.mark.parametrize("taken", [1, 3])
def test_a_saved_position_goes_on_with_the_rest_of_the_epoch(group: int, taken: int) -> None:
    whole = _loader(50, 8, group=group)
    whole.sampler.set_epoch(5)
    expected = _order(whole)[taken * group * 8 :]

    stopped = _loader(50, 8, group=group)
    stopped.sampler.set_epoch(5)
    for _, _batch in zip(range(taken), stopped, strict=False):
        state = stopped.state_dict()
    resumed = _loader(50, 8, group=group)
    resumed.load_state_dict(state)
    resumed.sampler.set_epoch(5)
    assert _order(resumed) == expected
    resumed.sampler.set_epoch(6)
    assert sorted(_order(resumed)) == list(range(50))


def test_the_position_is_zero_at_both_ends_of_an_epoch() -> None:
    loader = _loader(10, 3)
    positions = [loader.state_dict()["position"]]
    positions += [loader.state_dict()["position"] for _ in loader]
    assert positions == [0, 1, 2, 0]
    assert loader.state_dict() == {"position": 0, "steps_per_execution": 1}


@pytest.mark.parametrize(("accumulate", "steps"), [(1, 7), (2, 4), (3, 3), (100, 1), (None, 1)])
@pytest.mark.parametrize("group", [1, 2])
def test_steps_of_several_batches(accumulate: int | None, steps: int, group: int) -> None:
    loader = _loader(50, 8, group=group, accumulate=accumulate)  # seven batches
    found = list(chain.from_iterable(loader))
    assert loader.num_steps == len(found) == steps
    assert [len(step) for step in found[:-1]] == [accumulate] * (steps - 1)
    assert _order(loader) == _order(_loader(50, 8))
    assert _loader(50, 8, accumulate=None, shuffle=False).num_steps == 7  # validation takes no steps


def test_balanced_sampling_draws_each_class_as_often() -> None:
    labels = torch.tensor([0] * 900 + [1] * 90 + [2] * 10)
    loader = BatchLoader(torch.arange(1000)[:, None], labels, Loading(0, 50, 1, sampling="balanced"), shuffle=True)
    drawn = torch.cat([targets for _, targets in loader.batches()])
    assert len(drawn) == 1000
    assert all(abs(count - 1000 / 3) < 5 * (1000 * 2 / 9) ** 0.5 for count in torch.bincount(drawn).tolist())
    first = torch.cat([inputs for inputs, _ in loader.batches()])
    loader.sampler.set_epoch(1)
    assert not torch.equal(first, torch.cat([inputs for inputs, _ in loader.batches()]))
    loader.sampler.set_epoch(0)
    assert torch.equal(first, torch.cat([inputs for inputs, _ in loader.batches()]))


def test_rows_of_larger_inputs_are_prepared_batch_by_batch() -> None:
    """Each batch is prepared with its epoch and its number in it, also after a resume within the epoch."""
    inputs, rows = torch.arange(20)[:, None], torch.arange(1, 20, 2)
    seen: list[tuple[int, int, int]] = []

    def prepare(batch: Batch, epoch: int, number: int) -> Batch:
        seen.append((epoch, number, len(batch[0])))
        return batch[0].float() / 2, batch[1]

    loader = BatchLoader(inputs, 10 * rows, Loading(0, 4, 1), shuffle=True, rows=rows, prepare=prepare)
    loader.sampler.set_epoch(3)
    batches = _batches(loader)
    assert all(torch.equal(20 * inputs[:, 0], targets) for inputs, targets in batches)
    assert sorted(torch.cat([targets for _, targets in batches]).tolist()) == (10 * rows).tolist()
    assert seen == [(3, 0, 4), (3, 1, 4), (3, 2, 2)]
    loader.load_state_dict({"position": 2})
    resumed = _batches(loader)
    assert seen[3:] == [(3, 2, 2)] and torch.equal(resumed[0][0], batches[2][0])


def _lengths(count: int = 300) -> tuple[Tensor, Tensor]:
    """Of sources and targets, (N,) each, from 1 to 30 tokens."""
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(1, 31, (count,), generator=generator)
    return (targets + torch.randint(-5, 6, (count,), generator=generator)).clamp_min(1), targets


def _token_loader(max_tokens: int | None, *, seed: int = 0, batch_size: int = 16, group: int = 1) -> BatchLoader:
    """Row i holds i and the length of its target."""
    sources, targets = _lengths()
    order = TokenOrder(sources, targets, batch_size, max_tokens, seed)
    rows = torch.arange(len(targets))[:, None]
    return BatchLoader(rows, targets, Loading(seed, batch_size, group), shuffle=True, order=order)


@pytest.mark.parametrize("max_tokens", [None, 5, 30, 100, 1000])
def test_batches_keep_to_their_tokens_and_samples(max_tokens: int | None) -> None:
    """Padding counts; a sample that is longer than the limit has a batch of its own; as many batches each epoch."""
    loader = _token_loader(max_tokens)
    for epoch in range(4):
        loader.sampler.set_epoch(epoch)
        batches = _batches(loader)
        assert len(batches) == loader.num_batches == len(loader)
        assert sorted(torch.cat([inputs[:, 0] for inputs, _ in batches]).tolist()) == list(range(300))
        for _, lengths in batches:
            assert 1 <= len(lengths) <= 16
            assert len(lengths) == 1 or max_tokens is None or len(lengths) * int(lengths.max()) <= max_tokens


def test_a_batch_ends_where_the_next_longer_sample_would_not_fit() -> None:
    found = [targets.sort().values.tolist() for _, targets in _batches(_token_loader(100))]
    found.sort(key=lambda lengths: (lengths[0], lengths[-1], -len(lengths)))  # from short to long again
    for lengths, following in pairwise(found):
        assert len(lengths) == 16 or (len(lengths) + 1) * following[0] > 100


def test_token_batches_are_of_like_lengths() -> None:
    """No batch of 16 of the 300 spans more lengths than 16 neighbours in order do."""
    sources, targets = _lengths()
    expected = sum(int(chunk.max()) * len(chunk) for chunk in targets.sort().values.split(16))
    loader = _token_loader(None)
    batches = _batches(loader)
    assert sum(int(lengths.max()) * len(lengths) for _, lengths in batches) == expected
    spread = [int(sources[rows[:, 0]].max() - sources[rows[:, 0]].min()) for rows, _ in batches]
    assert sum(spread) / len(spread) < 11  # of lengths of sources; shuffled ones of 1 to 35 have about 30


def test_the_order_of_token_batches_is_a_function_of_seed_and_epoch() -> None:
    loader = _token_loader(100, seed=3)
    orders = []
    for epoch in (0, 1, 0):
        loader.sampler.set_epoch(epoch)
        orders.append(_order(loader))
    assert orders[0] == orders[2] == _order(_token_loader(100, seed=3))
    assert orders[0] != orders[1] and orders[0] != _order(_token_loader(100, seed=4))
    members = [
        {tuple(sorted(rows[:, 0].tolist())) for rows, _ in _batches(_token_loader(100, seed=seed))} for seed in (3, 4)
    ]
    assert members[0] != members[1]  # not the same batches in another order alone
    longest = [int(targets.max()) for _, targets in _batches(loader)]
    assert longest != sorted(longest)


@pytest.mark.parametrize("group", [1, 3])
def test_token_batches_go_on_at_a_saved_position(group: int) -> None:
    whole, stopped, resumed = (_token_loader(100, group=group) for _ in range(3))
    whole.sampler.set_epoch(2)
    stopped.sampler.set_epoch(2)
    taken = [rows[:, 0].tolist() for _, step in zip(range(2), stopped, strict=False) for rows, _ in chain(*step)]
    resumed.load_state_dict(stopped.state_dict())
    resumed.sampler.set_epoch(2)
    assert taken + [rows[:, 0].tolist() for rows, _ in _batches(resumed)] == [
        rows[:, 0].tolist() for rows, _ in _batches(whole)
    ]
