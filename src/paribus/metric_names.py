"""What a figure's name says of it, for those who read figures without the task that measured them."""

# Best low. Every other figure of a task is best high; the tests hold this against the tasks.
LOWER_IS_BETTER = {
    *("loss", "perplexity", "ece"),
    *("mse", "rmse", "mae", "mape", "wmape", "mase"),
    *("wer", "per", "cer"),
    *("train_seconds", "seconds", "epochs", "best_epoch"),
}


def lower_is_better(name: str) -> bool:
    """Of a figure such as "test/accuracy", "val/loss" or "train_seconds"."""
    return name.rpartition("/")[2] in LOWER_IS_BETTER
