import pytest
import torch
from torch import Tensor

from paribus.data.loader import Fold, Loading
from paribus.data.splitting import check_classes, three_way, two_way
from paribus.errors import DataError

LABELS = torch.tensor([0] * 101 + [1] * 60 + [2] * 13)
NUM_ROWS = len(LABELS)


def _same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("labels", [LABELS, None], ids=["stratified", "plain"])
@pytest.mark.parametrize(("validation", "test"), [(0.1, 0.2), (0.25, 0.5), (0.3, 0.1)])
def test_splits_are_disjoint_complete_and_of_the_sizes_asked_for(
    labels: Tensor | None, validation: float, test: float
) -> None:
    splits = three_way(labels, NUM_ROWS, validation, test, _loading(0))
    assert sorted(torch.cat(list(splits.values())).tolist()) == list(range(NUM_ROWS))
    assert len(splits["val"]) == round(validation * NUM_ROWS)
    assert len(splits["test"]) == round(test * NUM_ROWS)
    assert all(torch.equal(rows, rows.sort().values) for rows in splits.values())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("held_out", [10, 35, 87])
def test_class_shares_are_kept_within_one_row(held_out: int, seed: int) -> None:
    for rows in two_way(LABELS, torch.arange(NUM_ROWS), held_out, seed, "test"):
        counts = torch.bincount(LABELS[rows], minlength=3)
        shares = torch.bincount(LABELS) * len(rows) / NUM_ROWS
        assert (counts - shares).abs().max() < 1


def test_every_split_of_three_has_every_class() -> None:
    for rows in three_way(LABELS, NUM_ROWS, 0.1, 0.2, _loading(0)).values():
        assert LABELS[rows].unique().tolist() == [0, 1, 2]


def test_the_split_is_a_function_of_the_seed() -> None:
    first, again, other = (three_way(LABELS, NUM_ROWS, 0.1, 0.2, _loading(seed)) for seed in (7, 7, 8))
    assert _same(first, again)
    assert not any(torch.equal(first[name], other[name]) for name in first)


def test_the_test_rows_do_not_depend_on_the_validation_fraction() -> None:
    first, second = (three_way(LABELS, NUM_ROWS, fraction, 0.2, _loading(0))["test"] for fraction in (0.1, 0.3))
    assert torch.equal(first, second)


def test_two_way_splits_the_rows_that_it_is_given() -> None:
    rows = torch.arange(3, NUM_ROWS, 2)
    kept, held = two_way(LABELS, rows, 20, 0, "validation")
    assert torch.equal(torch.cat([kept, held]).sort().values, rows)


@pytest.mark.parametrize(
    ("num_rows", "validation", "test", "message"),
    [
        (100, 0.5, 0.5, "data.validation_fraction=0.5 and data.test_fraction=0.5 leave no rows to train on"),
        (100, 0.9, 0.4, "leave no rows to train on"),
        (4, 0.3, 0.1, "of 4 rows data.test_fraction takes 0 for test and leaves 4"),
        (8, 0.05, 0.3, "of 6 rows data.validation_fraction takes 0 for validation and leaves 6"),
        (8, 0.3, 0.1, "of 8 rows data.test_fraction takes 1 for test and leaves 7, and each needs at least 2"),
        (4, 0.3, 0.5, "of 2 rows data.validation_fraction takes 1 for validation and leaves 1"),
        (1, 0.3, 0.6, "of 1 rows data.test_fraction takes 1 for test and leaves 0"),
    ],
)
def test_an_empty_split_is_an_error(num_rows: int, validation: float, test: float, message: str) -> None:
    with pytest.raises(DataError) as error:
        three_way(None, num_rows, validation, test, _loading(0))
    assert message in str(error.value)


def test_a_split_too_small_for_every_class_is_an_error() -> None:
    with pytest.raises(
        DataError, match=r"of 9 rows data.test_fraction takes 2 for test .* each needs at least 3, a row of each class"
    ):
        three_way(torch.arange(9) % 3, 9, 0.4, 0.2, _loading(0))


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        ([0, 0, 0, 0], ["a"], r"holds one class only \(a\)"),
        ([0] * 9 + [1], ["a", "b"], "class 'b' has 1 row; each class needs 3 or more"),
        ([0] * 2 + [1] * 9, ["a", "b"], "class 'a' has 2 rows"),
        ([0] * 9, ["a", "b"], "class 'b' has 0 rows"),
    ],
)
def test_a_class_too_rare_to_split_is_named(labels: list[int], names: list[str], message: str) -> None:
    with pytest.raises(DataError, match=f"^file.csv.*{message}"):
        check_classes(torch.tensor(labels), names, "file.csv")


def test_three_rows_of_each_class_will_do() -> None:
    check_classes(torch.arange(6) % 2, ["a", "b"], "file.csv")


@pytest.mark.parametrize(("validation", "test"), [(0.1, 0.2), (0.01, 0.02), (0.1, 0.6)])
def test_a_class_that_a_split_would_lack_is_named(validation: float, test: float) -> None:
    labels = torch.zeros(100, dtype=torch.int64)
    labels[:3] = 1
    with pytest.raises(DataError, match=r"data\.(validation|test)_fraction"):
        three_way(labels, 100, validation, test, _loading(0))


def _loading(seed: int, fold: Fold | None = None, train_fraction: float = 1.0) -> Loading:
    return Loading(seed, 4, 1, train_fraction=train_fraction, fold=fold)


@pytest.mark.parametrize("labels", [LABELS, None])
def test_folds_test_each_row_once(labels: torch.Tensor | None) -> None:
    splits = [three_way(labels, NUM_ROWS, 0.1, 0.2, _loading(3, Fold(index, 5))) for index in range(1, 6)]
    assert sorted(torch.cat([rows["test"] for rows in splits]).tolist()) == list(range(NUM_ROWS))
    for rows in splits:
        assert sorted(torch.cat(list(rows.values())).tolist()) == list(range(NUM_ROWS))


def test_folds_are_stratified() -> None:
    counts = torch.bincount(LABELS)
    for index in range(1, 6):
        test = three_way(LABELS, NUM_ROWS, 0.1, 0.2, _loading(3, Fold(index, 5)))["test"]
        assert (torch.bincount(LABELS[test], minlength=len(counts)) - counts / 5).abs().max() <= 1


def test_too_many_folds() -> None:
    with pytest.raises(DataError, match=r"cross_validation=50: a class has .* rows only"):
        three_way(torch.arange(90) % 3, 90, 0.1, 0.2, _loading(0, Fold(1, 50)))


def test_a_share_of_the_training_rows_is_stratified_and_nested() -> None:
    whole = three_way(LABELS, NUM_ROWS, 0.1, 0.2, _loading(0))
    before: set[int] = set()
    for share in (0.1, 0.3, 0.7, 1.0):
        found = three_way(LABELS, NUM_ROWS, 0.1, 0.2, _loading(0, train_fraction=share))
        assert torch.equal(found["val"], whole["val"]) and torch.equal(found["test"], whole["test"])
        counts, all_counts = (torch.bincount(LABELS[rows]) for rows in (found["train"], whole["train"]))
        assert (counts - share * all_counts).abs().max() <= 1
        assert before <= set(found["train"].tolist()) <= set(whole["train"].tolist())
        before = set(found["train"].tolist())
