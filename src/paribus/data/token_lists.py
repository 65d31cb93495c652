"""Lists of symbols to be reversed or copied: what a network can do without any knowledge of language."""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from paribus.data.loader import Loading
from paribus.data.pairs.files import Lines, lines
from paribus.data.pairs.making import pair_data, sides
from paribus.data.pairs.module import PairData
from paribus.data.pairs.splitting import Corpus
from paribus.errors import ConfigError
from paribus.seeding import derive
from paribus.types import PositiveInt, SampleCount

ROOM = 2  # there must be so many times as many different lists as are asked for, or drawing them takes long

AT_ONCE = 1024  # lists drawn, however many are needed: the first are then the same


@dataclass(frozen=True)
class Lists:
    """Of 1, 2 ... `symbols`, from min_length to max_length of them: so many for the test, validation and training."""

    symbols: int
    min_length: int
    max_length: int
    sizes: tuple[int, int, int]

    def drawn(self, seed: int) -> list[list[str]]:
        """Different ones, each length as likely as any other but where that has no more.

        Raises ConfigError where there are too few.
        """
        self._check()
        generator, count = torch.Generator().manual_seed(seed), sum(self.sizes)
        found: dict[tuple[int, ...], None] = {}  # in the order in which they were drawn
        while len(found) < count:
            lengths = torch.randint(self.min_length, self.max_length + 1, (AT_ONCE,), generator=generator).tolist()
            rows = torch.randint(1, self.symbols + 1, (AT_ONCE, self.max_length), generator=generator).tolist()
            found |= {tuple(row[:length]): None for row, length in zip(rows, lengths, strict=True)}
        return [[str(symbol) for symbol in row] for row in found][:count]

    def _check(self) -> None:
        if self.min_length > self.max_length:
            raise ConfigError(
                f"data.min_length={self.min_length} is above data.max_length={self.max_length}; lower the one or raise "
                "the other"
            )
        count, different = sum(self.sizes), 0
        for length in range(self.min_length, self.max_length + 1):
            different += self.symbols**length
            if different >= ROOM * count:
                return
        raise ConfigError(
            f"data.train_size, validation_size and test_size ask for {count} different lists, of {different} that "
            f"there are; ask for {different // ROOM} or fewer, or raise data.symbols or data.max_length"
        )


def reverse(
    loading: Loading,
    *,
    symbols: PositiveInt,
    min_length: PositiveInt,
    max_length: PositiveInt,
    train_size: SampleCount,
    validation_size: SampleCount,
    test_size: SampleCount,
    batch_tokens: PositiveInt | None,
) -> PairData:
    """Each list from its end to its beginning."""
    lists = Lists(symbols, min_length, max_length, (test_size, validation_size, train_size))
    return _pairs("reverse", lists, lambda symbols: symbols[::-1], loading, batch_tokens)


def copy(
    loading: Loading,
    *,
    symbols: PositiveInt,
    min_length: PositiveInt,
    max_length: PositiveInt,
    train_size: SampleCount,
    validation_size: SampleCount,
    test_size: SampleCount,
    batch_tokens: PositiveInt | None,
) -> PairData:
    """Each list as it is."""
    lists = Lists(symbols, min_length, max_length, (test_size, validation_size, train_size))
    return _pairs("copy", lists, lambda symbols: symbols, loading, batch_tokens)


def _pairs(
    name: str,
    lists: Lists,
    answer: Callable[[list[str]], list[str]],
    loading: Loading,
    batch_tokens: int | None,
) -> PairData:
    found = lists.drawn(derive(loading.seed, "generated", name))
    test, validation, train = (_next(found, size, name, answer) for size in lists.sizes)
    how = sides(
        "spaced",
        "spaced",
        vocabulary_size=lists.symbols + 3,  # as many as there are, and those that every vocabulary has
        min_count=1,
        shared_vocabulary=True,
        lowercase=False,
        normalization="nfc",
        max_length=lists.max_length,
    )
    return pair_data(Corpus(train, validation, test), how, "exact", loading, batch_tokens)


def _next(found: list[list[str]], size: int, name: str, answer: Callable[[list[str]], list[str]]) -> Lines:
    """The next lists with the answer to each. They are taken off `found`."""
    taken = found[:size]
    del found[:size]
    return lines([" ".join(each) for each in taken], [" ".join(answer(each)) for each in taken], name)
