"""Entry point: read what is asked, check it, run it, and turn what goes wrong into a sentence and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import jax

from jaxnu.cli import fit, plot, posterior, profile, spectrum, sweep
from jaxnu.cli.fields import Refused
from jaxnu.cli.folder import close_folder, open_folder
from jaxnu.cli.parser import parse
from jaxnu.cli.settings import KINDS, SweepSettings
from jaxnu.cli.toml import merge, read_toml, settings_from
from jaxnu.cli.words import say

_COMMANDS = {"posterior": posterior, "fit": fit, "profile": profile, "spectrum": spectrum}
_DEMONSTRATION = "This was a demonstration with small settings (--quick): see that it works, do not use its numbers."


def main(argv: Sequence[str] | None = None) -> int:
    """Run `jaxnu` with `argv` (default: those of the process); returns 0, 2 for refused input, 130 when interrupted."""
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except Refused as error:
        print(f"jaxnu: {error}", file=sys.stderr)
        return 2


def _run(argv: Sequence[str]) -> int:
    asked = parse(argv)
    if asked.command == "plot":
        _set_up_jax()
        return plot.run(asked)
    tables = {} if asked.config is None else read_toml(asked.config, asked.command)
    small = {"quick": True, **KINDS[asked.command].small} if asked.quick else {}
    settings = settings_from(asked.command, merge(tables, small, asked.tables))
    try:
        _set_up_jax()
        if isinstance(settings, SweepSettings):
            return sweep.run(settings, asked)
        command = _COMMANDS[asked.command]
        subject = command.prepare(settings)
        goes_on = open_folder(asked.output, settings, asked.overwrite)
        if goes_on:
            say(f"Going on with the unfinished run in {asked.output}.", asked.quiet)
        words = command.run(settings, subject, asked.output, asked.quiet)
    except OSError as error:
        raise Refused(f"cannot write into {asked.output}: {error.strerror or error}") from error
    except KeyboardInterrupt:
        continues = (_COMMANDS | {"sweep": sweep})[asked.command].CONTINUES
        print(f"\nInterrupted: the same command again {continues}.", file=sys.stderr)
        return 130
    if settings.quick:
        words += f"\n{_DEMONSTRATION}"
    close_folder(asked.output, words)
    print(words)
    return 0


def _set_up_jax() -> None:
    """Double precision, and compiled code kept for the next run where the user's programs keep such things."""
    jax.config.update("jax_enable_x64", True)
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(caches / "jaxnu"))
