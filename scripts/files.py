"""Files that are complete or not there."""

import os


def write_whole(path, written):
    """Calls `written` with a file of another name, opened for bytes, and gives it the name `path` when complete."""
    scratch = path.with_name(f".{path.name}.new")
    with open(scratch, "wb") as file:
        written(file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(scratch, path)
