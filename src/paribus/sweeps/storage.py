"""Optuna's database: where the trials of a search are kept, opened alike by the sweep and by the processes of its runs.

Optuna and SQLAlchemy are imported in functions: together they take half a second.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from paribus.errors import ConfigError

if TYPE_CHECKING:
    from optuna.storages import RDBStorage

FILE = "study.db"
TIMEOUT = 120  # seconds to wait while another process writes


def database(folder: Path) -> str:
    """The URL of study.db in a sweep's folder, whatever characters its path has."""
    from sqlalchemy import URL

    return URL.create("sqlite", database=str((folder / FILE).absolute())).render_as_string()


def opened(url: str) -> "RDBStorage":
    """The database, its tables made where there are none. Raises ConfigError where it cannot be opened."""
    import optuna
    from sqlalchemy.exc import SQLAlchemyError

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if re.fullmatch(r"sqlite(\+\w+)?:/*(:memory:)?", url):
        raise ConfigError(f"sampler.storage={url} is in the memory of one process; runs are in others, so give a file")
    try:
        return optuna.storages.RDBStorage(url, _engine(url))
    except ImportError:
        raise _unusable(url, "its driver is not installed; install it, such as psycopg2 for postgresql://") from None
    except (SQLAlchemyError, RuntimeError, ValueError, LookupError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise _unusable(url, f"{reason}; give a URL such as sqlite:////home/me/studies.db, or null") from None


def _engine(url: str) -> dict[str, Any]:
    """What SQLAlchemy is told of connections."""
    from sqlalchemy.pool import NullPool

    if not url.startswith("sqlite"):
        return {"pool_pre_ping": True}  # a server drops connections that wait for a long run
    # No connection outlives its use: none is left open at the end, none is shared with a forked process.
    return {"poolclass": NullPool, "connect_args": {"timeout": TIMEOUT}}


def _unusable(url: str, reason: str) -> ConfigError:
    hidden = re.sub(r"://([^/@]*?):[^/]*@", r"://\1:***@", url)  # an error may be read by others
    return ConfigError(f"sampler.storage={hidden}: the database cannot be opened: {reason}")
