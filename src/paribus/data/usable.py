"""Files that cannot be used: an error that names all of them, or left out and told."""

from collections.abc import Sequence

from paribus.data.cache_folder import Files
from paribus.data.image_cache import DecodedImages
from paribus.errors import DataError


def usable(
    files: Files, images: DecodedImages, on_bad_file: str, places: Sequence[str]
) -> tuple[list[int], tuple[str, ...]]:
    """The numbers of the files that can be used, and remarks on the others; `places` says of each where it is named.

    Raises DataError where on_bad_file is "error" and there are others, or there are only others. What was decoded for
    nothing is then deleted, as it would never be found again once files are mended; the next run decodes anew.
    """
    kept = [row for row, name in enumerate(files.names) if name not in images.bad]
    reasons = ((place, images.bad.get(name)) for place, name in zip(places, files.names, strict=True))
    named = [f"{place} {reason}" for place, reason in reasons if reason is not None]
    if named and (on_bad_file == "error" or not kept):
        what = "1 image file" if len(named) == 1 else f"{len(named)} image files"
        skip = ", or leave them out with data.on_bad_file=skip" if kept else ""
        images.discard()
        raise DataError(f"{files.shown}: {what} cannot be used: {'; '.join(named)}; mend or delete what is named{skip}")
    return kept, (f"files left out that cannot be used: {'; '.join(named)}",) if named else ()
