"""The run folder and the files in it. What is written here is read by people, sweeps and comparisons."""

import csv
import fcntl
import io
import json
import logging
import os
import platform
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from paribus.config import Config
from paribus.errors import ConfigError, Interrupted, Pruned, UserError

RUNS = Path("outputs/runs")
PACKAGES = (
    "paribus",
    "torch",
    "torchvision",
    "lightning",
    "hydra-core",
    "torchmetrics",
    "scikit-learn",
    "numpy",
)

COUNTS = ("epoch", "step")  # columns of metrics.csv that hold whole numbers

log = logging.getLogger("paribus")


def quiet_libraries() -> None:
    """Warnings and remarks of libraries go to the log of a run, not to the screen."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    logging.captureWarnings(True)
    warnings = logging.getLogger("py.warnings")
    if not warnings.handlers:
        warnings.addHandler(logging.NullHandler())
    warnings.propagate = False


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="milliseconds")


def claimed(parent: Path) -> Path:
    """A new folder below `parent`, named by the time, that nothing else has, also of those made in the same second.

    Raises ConfigError where none can be made.
    """
    stamp = datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
    parent = parent.absolute()
    try:
        parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(1, 10_000):
            path = parent / (stamp if attempt == 1 else f"{stamp}_{attempt}")
            try:
                path.mkdir()
                return path
            except FileExistsError:
                continue
    except OSError as error:
        raise ConfigError(f"no run folder can be made in {parent}: {error.strerror}") from None
    raise AssertionError("10,000 folders in one second")


class RunFolder:
    """outputs/runs/<name>/<date_time>, or the folder of an earlier run that goes on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints, self.figures = path / "checkpoints", path / "figures"
        self.config, self.metrics_csv = path / "config.yaml", path / "metrics.csv"

    @property
    def title(self) -> str:
        """What names the run in its figures."""
        return f"{self.path.parent.name}/{self.path.name}"

    @classmethod
    def claim(cls, name: str, place: Path | None = None) -> "RunFolder":
        """Make a new folder that no other run has, also of those started in the same second; or make `place`."""
        if place is not None:
            place.mkdir(exist_ok=True)
            return cls(place)
        return cls(claimed(RUNS / name))

    def start(self, config: Config, device: str) -> None:
        """Write what decides the run and where it runs."""
        self._write_whole("config.yaml", config.text)
        typed = self.path / "overrides.yaml"
        lines = typed.read_text(encoding="utf-8").replace("[]\n", "") if typed.is_file() else ""
        lines += OmegaConf.to_yaml(OmegaConf.create(list(config.overrides))) if config.overrides else ""
        self._write_whole("overrides.yaml", lines or "[]\n")  # a resume adds to what was typed before
        self.write_json("environment.json", environment(config, device))

    def write_table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write <name>.csv: rows of values by column; where there are none, no file, nor one of before."""
        if not rows:
            (self.path / f"{name}.csv").unlink(missing_ok=True)
            return
        text = io.StringIO()
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        self._write_whole(f"{name}.csv", text.getvalue())

    def write_json(self, name: str, content: Mapping[str, Any]) -> None:
        """Write figures by name."""
        self._write_whole(name, json.dumps(content, indent=2) + "\n")

    def _write_whole(self, name: str, text: str) -> None:
        """Readers never see half of a file, also after a kill."""
        partial = self.path / f".{name}.partial"
        partial.write_text(text, encoding="utf-8")
        partial.replace(self.path / name)

    def read_json(self, name: str) -> dict[str, Any]:
        """What write_json wrote; empty where there is none. Raises ConfigError for a damaged file."""
        file = self.path / name
        try:
            content = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        except ValueError as error:
            raise ConfigError(f"{file} is damaged ({error}); delete it") from None
        if not isinstance(content, dict):
            raise ConfigError(f"{file} is damaged (it holds no figures by name); delete it")
        return content

    def append_row(self, row: Mapping[str, float]) -> None:
        """Add a row to metrics.csv. Rows before it get empty fields where it brings new columns."""
        columns = self._columns()
        if set(row) <= set(columns):
            self._write(self.metrics_csv, "a", columns, [row])
        else:
            self._replace_rows([*columns, *(name for name in row if name not in columns)], [*self.rows(), row])

    def rows(self) -> list[dict[str, float]]:
        """metrics.csv as numbers, without its empty fields and without a last line cut short by a kill."""
        if not self.metrics_csv.is_file():
            return []
        try:
            with self.metrics_csv.open(newline="", encoding="utf-8") as file:
                whole = [line for line in file if line.endswith("\n")]
            table = csv.DictReader(whole)
            rows = [{name: float(value) for name, value in row.items() if value != ""} for row in table]
        except (ValueError, TypeError):
            rows = [{}]
        if not all("epoch" in row for row in rows):
            raise ConfigError(f"{self.metrics_csv} is damaged: its rows are not numbers under a header; delete it")
        return rows

    def keep_rows(self, epochs: int) -> None:
        """Drop rows beyond the checkpoint that a resume starts from; they are about to be made again."""
        if self.metrics_csv.is_file():
            self._replace_rows(self._columns(), [row for row in self.rows() if row["epoch"] <= epochs])

    def _columns(self) -> list[str]:
        if not self.metrics_csv.is_file():
            return []
        with self.metrics_csv.open(newline="", encoding="utf-8") as file:
            return next(csv.reader(file), [])

    def _replace_rows(self, columns: Sequence[str], rows: Sequence[Mapping[str, float]]) -> None:
        partial = self.path / ".metrics.csv.partial"
        self._write(partial, "w", columns, rows)
        partial.replace(self.metrics_csv)

    @staticmethod
    def _write(path: Path, mode: str, columns: Sequence[str], rows: Sequence[Mapping[str, float]]) -> None:
        with path.open(mode, newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, columns)
            if mode == "w":
                writer.writeheader()
            for row in rows:
                writer.writerow({name: int(value) if name in COUNTS else value for name, value in row.items()})

    def can_go_on(self) -> bool:
        """Whether a run was stopped here that left a checkpoint to go on from."""
        stopped = self.read_json("status.json").get("status") in ("running", "interrupted")
        return stopped and (self.checkpoints / "last.ckpt").is_file()

    def is_going_on(self) -> bool:
        """Whether a process, of this machine or another that shares the files and their locks, is at this run."""
        try:
            with (self.path / "train.log").open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # no such run, or a file system without locks
            return False
        return False

    def close(self, status: str, error: str | None = None) -> None:
        """Say in status.json how a run ended that could not say so itself."""
        known = self.read_json("status.json")
        self._end({**known, "status": status, **({"error": error} if error else {})})

    @contextmanager
    def recording(self) -> Iterator[None]:
        """Keep status.json and train.log while the run goes on, and say in them how it ended.

        Raises ConfigError where another process is at this run: it holds a lock on train.log.
        """
        handler = logging.FileHandler(self.path / "train.log", encoding="utf-8")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        self._lock(handler)
        log.setLevel(logging.INFO)
        for name in ("paribus", "lightning.pytorch", "py.warnings"):
            logging.getLogger(name).addHandler(handler)
        status = {"status": "running", "started": _now(), "pid": os.getpid(), "host": platform.node()}
        self.write_json("status.json", status)
        try:
            yield
            self._end({**status, "status": "finished"})
        except Pruned as pruned:
            log.info("pruned: %s", pruned)
            self._end({**status, "status": "pruned"})
            raise
        except Interrupted as interrupted:
            log.info("interrupted by signal %d", interrupted.signal)
            self._end({**status, "status": "interrupted"})
            interrupted.folder = self.path if (self.checkpoints / "last.ckpt").is_file() else None
            raise
        except BaseException as error:
            if not isinstance(error, UserError):
                error.add_note(f"the traceback is in {self.path / 'train.log'}")
            log.error("the run failed\n%s", traceback.format_exc())
            self._end({**status, "status": "failed", "error": f"{type(error).__name__}: {error}"})
            raise
        finally:
            for name in ("paribus", "lightning.pytorch", "py.warnings"):
                logging.getLogger(name).removeHandler(handler)
            handler.close()

    def _lock(self, handler: logging.FileHandler) -> None:
        assert handler.stream is not None
        try:
            fcntl.flock(handler.stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handler.close()
            pid = self.read_json("status.json").get("pid")
            raise ConfigError(f"resume={self.path}: the run is still going on, as process {pid}") from None
        except OSError:  # a file system without locks
            return

    def _end(self, status: Mapping[str, Any]) -> None:
        try:
            self.write_json("status.json", {**status, "ended": _now()})
        except OSError as error:  # a full disk: the error that brought us here matters more
            print(f"status.json cannot be written: {error.strerror}", file=sys.stderr)


def environment(config: Config, device: str) -> dict[str, Any]:
    """Versions, device and git commit."""
    import torch  # here, so that a sweep and a comparison read run folders without it

    return {
        "versions": {name: version(name) for name in PACKAGES} | {"python": platform.python_version()},
        "torch_build": torch.__version__,
        "platform": platform.platform(),
        "device": device,
        "threads": torch.get_num_threads(),
        "git_commit": _git("rev-parse", "HEAD"),
        "git_changes": bool(_git("status", "--porcelain")),
        "extension": str(config.extension) if config.extension else None,
        "command": sys.argv,
    }


def version(package: str) -> str | None:
    """That of an installed package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
