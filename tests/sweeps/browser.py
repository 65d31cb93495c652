"""A page as a browser shows it, in headless Chromium."""

import atexit
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


@cache
def chromium() -> str:
    """Where it is; installed first where a Debian lets us. Skips the test where there is none."""
    found = _found()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        for words in (["update"], ["install", "-y", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", "-qq", *words], capture_output=True, timeout=300, check=False)
        found = _found()
    if found is None:
        pytest.skip("there is no Chromium, and it cannot be installed here")
    return found


def shown(page: Path, script: str = "") -> tuple[str, str]:
    """The page's DOM after its scripts and then `script` have run, and what the console said."""
    copy = page.with_name(f"{page.stem}_shown.html")
    text = page.read_text(encoding="utf-8").replace("</body>", f"<script>{script}</script></body>")
    copy.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [
            *(chromium(), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"),
            *(f"--user-data-dir={_profile()}", "--window-size=1280,900", "--dump-dom", copy.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


@cache
def _profile() -> str:
    """One for all pages: a browser starts faster with what an earlier one has left."""
    folder = mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _found() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)
