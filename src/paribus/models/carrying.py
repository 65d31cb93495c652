"""State that is carried from batch to batch, for truncated back-propagation through time."""

from torch import Tensor, nn


class CarriesState(nn.Module):
    """Begins each batch with `carried`, zero or learned where that is None, and leaves what it ends with in `ended`.

    Both are tensors (layers and directions, B, hidden), detached: no gradient flows from one batch to another. What a
    batch ended with is carried on only when `carry` is called, so that a step may be evaluated several times.
    """

    carried: tuple[Tensor, ...] | None = None
    ended: tuple[Tensor, ...] | None = None

    def carry(self) -> None:
        """Begin the next batch with what the last one ended with."""
        self.carried = self.ended
