"""The directory that a run writes into, and what may be done with what is already there."""

from __future__ import annotations

import shutil
from pathlib import Path

from jaxnu.cli.fields import Refused
from jaxnu.cli.settings import Settings
from jaxnu.cli.toml import differences, read_toml, settings_from, to_toml

CHECKPOINT = "checkpoint"
_CONFIGURATION = "config.toml"
_FINISHED = "summary.txt"
_FILES = (
    _CONFIGURATION,
    _FINISHED,
    "posterior.nc",
    "summary.csv",
    "corner.png",
    "spectrum.png",
    "spectrum.csv",
    "fit.toml",
    "map.png",
    "chains.png",
    "plane.png",
    "predictive.png",
    "bank.npz",
    "pseudo.npz",
    "profile.toml",
    "significance.png",
    "limits.png",
)
STORE = "scan.zarr"


def open_folder(folder: Path, settings: Settings, overwrite: bool) -> bool:
    """Make the directory ready and write config.toml into it; True if an unfinished run of these settings goes on.

    Refuses a directory that is not empty, unless it holds an unfinished run of the same settings or `overwrite` is set,
    which removes what jaxnu writes and nothing else.
    """
    try:
        if folder.exists() and not folder.is_dir():
            raise Refused(f"{folder} is a file; give another --output")
        goes_on = False
        if folder.exists() and any(folder.iterdir()):
            if overwrite:
                _clear(folder)
            else:
                _refuse_unless_unfinished(folder, settings)
                goes_on = True
        folder.mkdir(parents=True, exist_ok=True)
        if not goes_on:
            (folder / _CONFIGURATION).write_text(to_toml(settings), encoding="utf-8")
    except OSError as error:
        raise Refused(f"cannot write into {folder}: {error.strerror}") from None
    return goes_on


def close_folder(folder: Path, words: str) -> None:
    """Leave the run's last words, which mark it as finished, and drop the checkpoint."""
    (folder / _FINISHED).write_text(words + "\n", encoding="utf-8")
    shutil.rmtree(folder / CHECKPOINT, ignore_errors=True)


def _refuse_unless_unfinished(folder: Path, settings: Settings) -> None:
    configuration = folder / _CONFIGURATION
    if not configuration.exists():
        raise Refused(f"{folder} is not empty; give another --output, or --overwrite to write into it")
    if (folder / _FINISHED).exists():
        raise Refused(f"{folder} holds a finished run; give another --output, or --overwrite to replace it")
    try:
        earlier = settings_from(settings.command, read_toml(configuration, settings.command))
    except Refused as error:
        raise Refused(f"{folder} holds another run ({error}); give another --output, or --overwrite") from None
    changed = differences(earlier, settings)
    if changed:
        raise Refused(
            f"{folder} holds an unfinished run with other settings ({', '.join(changed)}); finish it with "
            f"`jaxnu {settings.command} --config {configuration} --output {folder}`, or --overwrite to replace it"
        )


def _clear(folder: Path) -> None:
    for name in _FILES:
        (folder / name).unlink(missing_ok=True)
    for directory in (CHECKPOINT, STORE):
        shutil.rmtree(folder / directory, ignore_errors=True)
