"""`paribus doctor`: versions, devices, torchvision, disk, and what to do about each problem."""

import os
import platform
import shutil
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from paribus import __version__, parts
from paribus.errors import ConfigError

PACKAGES = ("torch", "torchvision", "lightning", "hydra-core", "omegaconf", "tensorboard", "torchmetrics", "polars")
LOW_DISK_GIB = 2
MALICIOUS = {"lightning": ("2.6.2", "2.6.3")}


def command(arguments: list[str], extension: Path | None) -> int:
    """Print a line for each fact; a "problem" or "note" says what to do. Exit code 1 where there is a problem."""
    if arguments:
        raise ConfigError(f"doctor takes no arguments, and {arguments[0]} is given")
    lines = [*_versions(), *_devices(), *_torchvision(), *_disk(), *_extension(extension)]
    print("\n".join(lines))
    problems = sum(line.startswith("problem") for line in lines)
    print(f"{problems} problem{'s' if problems != 1 else ''} found" if problems else "no problem found")
    return 1 if problems else 0


def _versions() -> Iterator[str]:
    yield f"paribus      {__version__}, Python {platform.python_version()}, {platform.platform()}"
    for name in PACKAGES:
        try:
            version = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield f"problem      {name} is not installed: run make setup, or pip install paribus again"
            continue
        yield f"{name:<12} {version}"
        if version in MALICIOUS.get(name, ()):
            yield f"problem      {name} {version} was malicious on the package index: install another version at once"


def _devices() -> Iterator[str]:
    try:
        import torch
    except (ImportError, OSError) as error:
        yield f"problem      torch cannot be imported ({error}): install it again"
        return
    yield f"CPU          {os.cpu_count()} cores, torch uses {torch.get_num_threads()} threads"
    for index in range(torch.cuda.device_count()):
        properties = torch.cuda.get_device_properties(index)
        yield f"GPU {index}        {properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    if torch.cuda.is_available():
        return
    if torch.version.cuda is None:
        yield "note         torch is a CPU build: runs use the CPU; for a GPU install a CUDA build of torch"
    elif shutil.which("nvidia-smi"):
        yield "problem      torch finds no GPU though there is an NVIDIA driver: does it fit CUDA " + torch.version.cuda
    else:
        yield "note         no NVIDIA driver found: runs use the CPU"


def _torchvision() -> Iterator[str]:
    try:
        from paribus.torchvision_ops import REPAIRED
    except (ImportError, OSError, RuntimeError) as error:
        yield f"problem      torchvision cannot be imported ({error}): install the version made for this torch"
        return
    if REPAIRED:
        yield (
            "note         torchvision's compiled operators do not fit this torch; Paribus works around it, and only "
            "nms (object detection) is missing; for that, install the torchvision build made for this torch"
        )
    else:
        yield "torchvision  its compiled operators work"


def _disk() -> Iterator[str]:
    free = shutil.disk_usage(Path.cwd()).free / 2**30
    yield f"disk         {free:.1f} GiB free here"
    if free < LOW_DISK_GIB:
        yield "problem      little disk is free: runs cannot save checkpoints; free some, or run elsewhere"
    if not os.access(Path.cwd(), os.W_OK):
        yield "problem      this folder cannot be written to: run from one that can"


def _extension(extension: Path | None) -> Iterator[str]:
    yield f"configs      {parts.configs_folder()}"
    if extension is not None:
        yield f"extension    {extension}"
