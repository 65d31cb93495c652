"""Variants: runs whose configs differ in nothing but the seed, the fold, the name and the place of the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from paribus.errors import ConfigError, nearest
from paribus.parts import GROUPS
from paribus.runs import Run

SAME = ("name", "seed", "fold", "data.root", "data.cache", "data.num_workers", "figures")  # keys that make no variant
TELLS_LITTLE = ("none", "default", "[]", "[none]")  # choices that are no name for a variant by themselves
ABSENT = "-"

Pair = tuple[int, str, int | None]  # seed, folds of the cross-validation, fold: what pairs share


@dataclass(frozen=True)
class Variant:
    """Runs of one config, a run for each seed and fold."""

    name: str
    names: frozenset[str]  # whatever it may be called by the user
    settings: Mapping[str, str]  # but for those that make no variant
    runs: Mapping[Pair, Run]  # finished ones
    left_out: Sequence[tuple[Run, str]]  # the others, and why


def variants(runs: Sequence[Run]) -> list[Variant]:
    """In the order in which their first runs are given. Raises ConfigError where there are fewer than two."""
    grouped: dict[tuple[tuple[str, str], ...], list[Run]] = {}
    for run in runs:
        grouped.setdefault(tuple(sorted(_telling(run).items())), []).append(run)
    groups = list(grouped.values())
    if len(groups) < 2:
        raise ConfigError(
            "there is nothing to compare: all runs have the same config but for the seed; give those of another too"
        )
    features = [_features(group[0], all(run.chosen for run in runs)) for group in groups]
    keys = _distinguishing(features)
    labels = [_label(keys, each, features) for each in features]
    return [
        Variant(
            label,
            frozenset({label, *(_assigned(key, each) for key in keys), *(each.get(key, ABSENT) for key in keys)}),
            _telling(group[0]),
            *_paired(group),
        )
        for label, group, each in zip(labels, groups, features, strict=True)
    ]


def chosen(variants: Sequence[Variant], name: str | None) -> Variant:
    """The baseline: the one of that name, or the first. Raises ConfigError for a name that none or several have."""
    if name is None:
        return variants[0]
    named = [each for each in variants if name in each.names]
    if len(named) == 1:
        return named[0]
    label = "several variants are" if named else "no variant is"
    ending = nearest(name, [each.name for each in variants], "variants")
    raise ConfigError(f"baseline={name}: {label} called so; {ending}")


def differing(columns: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """The keys that are not the same in all columns, with the value in each."""
    return {key: values for key, values in side_by_side(columns).items() if len(set(values)) > 1}


def side_by_side(columns: Sequence[Mapping[str, str]]) -> dict[str, list[str]]:
    """All keys of all columns, those of a section together, with the value in each."""
    keys = dict.fromkeys(key for column in columns for key in column)
    sections = list(dict.fromkeys(key.partition(".")[0] for key in keys))
    ordered = sorted(keys, key=lambda key: sections.index(key.partition(".")[0]))
    return {key: [column.get(key, ABSENT) for column in columns] for key in ordered}


def pair_name(pair: Pair) -> str:
    """As people call it."""
    seed, _, fold = pair
    return str(seed) if fold is None else f"{seed} fold {fold}"


def pair_of(run: Run) -> Pair:
    """What it shares with its partners in other variants."""
    return run.seed, run.settings.get("cross_validation", "null"), run.fold


def _telling(run: Run) -> dict[str, str]:
    return {key: value for key, value in run.settings.items() if key not in SAME}


def _paired(group: Sequence[Run]) -> tuple[dict[Pair, Run], list[tuple[Run, str]]]:
    """Of finished runs with the same seed and fold the last one given counts."""
    kept: dict[Pair, Run] = {}
    left_out = []
    for run in group:
        if not run.is_finished:
            left_out.append((run, f"{run.status}: {run.error}" if run.error else run.status))
            continue
        if pair_of(run) in kept:
            left_out.append((kept[pair_of(run)], f"the same config and seed as {run.path}"))
        kept[pair_of(run)] = run
    return dict(sorted(kept.items(), key=lambda each: (each[0][0], each[0][2] or 0))), left_out


def _features(run: Run, is_sweep: bool) -> dict[str, str]:
    """What may name its variant: what the sweep varied, else its settings, the names of parts first."""
    if is_sweep:
        return dict(run.chosen)
    parts = {group: run.settings.get(f"{group}.name", run.settings.get(group)) for group in GROUPS}
    return {**{group: name for group, name in parts.items() if name is not None}, **_telling(run)}


def _distinguishing(features: Sequence[Mapping[str, str]]) -> list[str]:
    """Keys that tell all variants from each other, each of which tells more of them apart than those before it do."""
    kept: list[str] = []
    told = 1
    for key in differing(features):
        count = len({tuple(each.get(name) for name in (*kept, key)) for each in features})
        if count > told:
            kept, told = [*kept, key], count
    return kept


def _label(keys: Sequence[str], own: Mapping[str, str], all_features: Sequence[Mapping[str, str]]) -> str:
    alone = keys[0] if len(keys) == 1 else ""
    if alone in GROUPS and not any(each.get(alone, "none") in TELLS_LITTLE for each in all_features):
        return own[alone]
    return ", ".join(_assigned(key, own) for key in keys if key in own) or f"without {keys[0]}"


def _assigned(key: str, own: Mapping[str, str]) -> str:
    return f"{key}={own[key]}" if key in own else f"without {key}"
