"""A journal that is read where nothing can be written: a disk or a folder without permission."""

import sqlite3
from pathlib import Path


def open_read_only(path: Path) -> sqlite3.Connection:
    """Open a journal to read it, from any thread. Raises sqlite3.Error.

    In WAL mode SQLite makes files beside it even to read. Where it can't, the file is taken as one that nobody writes.
    """
    for how in ("mode=ro", "immutable=1"):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, check_same_thread=False)
        try:
            connection.execute("SELECT 1 FROM calls LIMIT 1").fetchone()
        except sqlite3.OperationalError:
            connection.close()
            if how == "immutable=1":
                raise
        else:
            break
    return connection
