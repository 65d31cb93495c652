"""What a figure's name says of it, for those who read figures without the task that measured them."""

# What tasks measure, by the side on which it is best; the tests hold both against the tasks.
LOWER_IS_BETTER = {
    *("loss", "perplexity", "ece"),
    *("mse", "rmse", "mae", "mape", "wmape", "mase"),
    *("wer", "per", "cer"),
}
HIGHER_IS_BETTER = {
    *("accuracy", "top5_accuracy", "precision", "recall", "f1", "auroc"),
    "r2",
    *("token_accuracy", "exact_match", "bleu", "bleu_lowercase", "chrf"),
}
COUNTS = {"train_seconds", "seconds", "epochs", "best_epoch"}  # of any run, best low


def lower_is_better(name: str) -> bool:
    """Of a figure such as "test/accuracy", "val/loss", "test/last_value_mae" of a baseline, or "train_seconds"."""
    word = name.rpartition("/")[2]
    return word in COUNTS or word.rpartition("_")[2] in LOWER_IS_BETTER


def is_measured(name: str) -> bool:
    """Whether some task has a figure such as "val/accuracy", or any run one such as "train_seconds"."""
    stage, _, word = name.rpartition("/")
    return name in COUNTS or (stage in ("train", "val") and word in LOWER_IS_BETTER | HIGHER_IS_BETTER)
