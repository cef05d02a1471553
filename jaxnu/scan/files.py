"""Small files beside the arrays of a store, on any file system that fsspec knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem


@dataclass(frozen=True)
class Files:
    """A folder on a file system."""

    system: Any
    root: str

    @property
    def is_local(self) -> bool:
        """Whether the folder is on this machine's file system."""
        return isinstance(self.system, LocalFileSystem)


def files_at(url: str) -> Files:
    """The folder at a path or URL; listings are not cached, since other processes write there, too."""
    system, root = fsspec.core.url_to_fs(url, use_listings_cache=False)
    return Files(system, str(root).rstrip("/"))


def read(files: Files, name: str) -> str | None:
    """The text of a file, or None if there is none."""
    try:
        return files.system.cat_file(f"{files.root}/{name}").decode()
    except (FileNotFoundError, NotADirectoryError):
        return None


def write(files: Files, name: str, text: str, *, new: bool = False) -> None:
    """Write a file; with `new` it must not exist (FileExistsError), of which local disks and S3 make sure."""
    path = f"{files.root}/{name}"
    if files.is_local:  # object stores have no folders, and s3fs would make a bucket that is not there
        files.system.makedirs(path.rpartition("/")[0], exist_ok=True)
    try:
        with files.system.open(path, "xb" if new else "wb") as file:
            file.write(text.encode())
    except FileExistsError:
        raise
    except OSError:
        if new:  # a disk that is full holds empty files still
            remove(files, name)
        raise


def remove(files: Files, name: str) -> None:
    """Remove a file or a folder, if it is there."""
    try:
        files.system.rm(f"{files.root}/{name}".rstrip("/"), recursive=True)
    except FileNotFoundError:
        return


def exists(files: Files, name: str) -> bool:
    """Whether there is such a file or folder."""
    return files.system.exists(f"{files.root}/{name}".rstrip("/"))


def names(files: Files, folder: str) -> list[str]:
    """Names of what is in a folder; none if it does not exist."""
    try:
        return [path.rpartition("/")[2] for path in files.system.ls(f"{files.root}/{folder}".rstrip("/"), detail=False)]
    except FileNotFoundError:
        return []
