"""Pages that need nothing but themselves: templates in which texts are escaped."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

SHARED = Path(__file__).parent / "sweeps" / "page"  # whose style all pages have


def render(folders: Sequence[Path], template: str, **facts: object) -> str:
    """The template, found in one of the folders, with the facts in it."""
    environment = Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {}  # by default it would sort them by their keys
    return environment.get_template(template).render(**facts)


def write(path: Path, text: str) -> None:
    """Replace the page as a whole."""
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
