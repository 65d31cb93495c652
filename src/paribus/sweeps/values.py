"""Values of settings, as they are typed and as people read them."""

from typing import Any

from paribus.config import as_typed


def typed(value: Any) -> str:
    """A value as it would be typed: [64,64], true, null."""
    if isinstance(value, list | tuple):
        return f"[{','.join(map(typed, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}:{typed(inner)}' for key, inner in value.items())}}}"
    return as_typed(value)


def brief(value: Any) -> str:
    """A value as people read it: as typed, decimal numbers to four digits."""
    return f"{value:.4g}" if isinstance(value, float) else typed(value)


def is_number(value: Any) -> bool:
    """Whether it is a whole or a decimal number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool)
