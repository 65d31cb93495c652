"""comparison.csv and comparison.json: all that is printed, for programs."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from paribus.comparing.contrasts import EFFORT, Comparison, Contrast, finite, summary
from paribus.comparing.variants import Variant, differing, pair_name


def write(
    folder: Path,
    comparison: Comparison,
    environments: Mapping[str, Sequence[str]],
    sentences: Sequence[str],
) -> None:
    """Both files, each as a whole."""
    rows = [_row(each, metric, comparison) for metric in _all(comparison) for each in comparison.variants]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    names = [each.name for each in comparison.variants]
    content = {
        "baseline": comparison.baseline.name,
        "main_metric": comparison.main,
        "why_main": comparison.why_main,
        "verdicts": list(sentences),
        "variants": {each.name: [str(run.path) for run in each.runs.values()] for each in comparison.variants},
        "configs": _by_name(names, differing([each.settings for each in comparison.variants])),
        "environments": _by_name(names, environments),
        "differences": [_contrast(each) for each in comparison.contrasts],
        "figures": rows,
    }
    _write_whole(folder / "comparison.csv", text.getvalue())
    _write_whole(folder / "comparison.json", json.dumps(content, indent=2) + "\n")


def _all(comparison: Comparison) -> list[str]:
    return [*comparison.metrics, *(name for name in EFFORT if name not in comparison.metrics)]


def _row(variant: Variant, metric: str, comparison: Comparison) -> dict[str, Any]:
    """Of one variant and metric: mean and interval, and the difference from the baseline where it is tested."""
    figures, found = finite(variant, metric), summary(variant, metric)
    contrast = next((each for each in comparison.contrasts if (each.metric, each.variant) == (metric, variant)), None)
    difference = contrast.difference if contrast else None
    return {
        "metric": metric,
        "variant": variant.name,
        "runs": len(figures),
        "mean": sum(figures) / len(figures) if figures else None,
        "low": found.low if found else None,
        "high": found.high if found else None,
        "deviation": found.deviation if found else None,
        "pairs": difference.count if difference else None,
        "difference": difference.mean if difference else None,
        "difference_low": difference.low if difference else None,
        "difference_high": difference.high if difference else None,
        "p": difference.p if difference else None,
        "p_corrected": contrast.corrected if contrast else None,
        "effect": difference.effect if difference else None,
    }


def _contrast(contrast: Contrast) -> dict[str, Any]:
    return {
        "metric": contrast.metric,
        "variant": contrast.variant.name,
        "baseline": contrast.baseline.name,
        **asdict(contrast.difference),
        "p_corrected": contrast.corrected,
        "by_pair": dict(zip(map(pair_name, contrast.pairs), contrast.differences, strict=True)),
    }


def _by_name(names: Sequence[str], values: Mapping[str, Sequence[str]]) -> dict[str, dict[str, str]]:
    return {key: dict(zip(names, each, strict=True)) for key, each in values.items()}


def _write_whole(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
