"""Entry point: read what is asked, check it, run it, and turn what goes wrong into a sentence and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import jax

from jaxnu.cli.fields import Refused
from jaxnu.cli.folder import close_folder, open_folder
from jaxnu.cli.parser import parse
from jaxnu.cli.settings import KINDS, SweepSettings
from jaxnu.cli.toml import merge, read_toml, settings_from
from jaxnu.cli.words import DEMONSTRATION, say


def main(argv: Sequence[str] | None = None) -> int:
    """Run `jaxnu` with `argv` (default: those of the process); returns 0, 2 for refused input, 130 when interrupted."""
    try:
        return _run(sys.argv[1:] if argv is None else argv)
    except Refused as error:
        print(f"jaxnu: {error}", file=sys.stderr)
        return 2


def _run(argv: Sequence[str]) -> int:
    asked = parse(argv)
    # One module per command, imported when it is asked for: the sampler's imports take longer than a spectrum.
    command = import_module(f"jaxnu.cli.{asked.command}")
    if asked.command == "plot":
        _set_up_jax()
        return command.run(asked)
    tables = {} if asked.config is None else read_toml(asked.config, asked.command)
    small = {"quick": True, **KINDS[asked.command].small} if asked.quick else {}
    settings = settings_from(asked.command, merge(tables, small, asked.tables))
    try:
        _set_up_jax()
        if isinstance(settings, SweepSettings):
            return command.run(settings, asked)
        subject = command.prepare(settings)
        goes_on = open_folder(asked.output, settings, asked.overwrite)
        if goes_on:
            say(f"Going on with the unfinished run in {asked.output}.", asked.quiet)
        words = command.run(settings, subject, asked.output, asked.quiet)
    except OSError as error:
        raise Refused(f"cannot write into {asked.output}: {error.strerror or error}") from error
    except KeyboardInterrupt:
        print(f"\nInterrupted: the same command again {command.CONTINUES}.", file=sys.stderr)
        return 130
    if settings.quick:
        words += f"\n{DEMONSTRATION}"
    close_folder(asked.output, words)
    print(words)
    return 0


def _set_up_jax() -> None:
    """Double precision, and compiled code kept for the next run where the user's programs keep such things."""
    jax.config.update("jax_enable_x64", True)
    # What compiles fast is kept too: there are many such programs.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    # XLA's own caches would put the folder's path into every key: a cache that is copied or moved would not hit.
    jax.config.update("jax_persistent_cache_enable_xla_caches", "none")
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(caches / "jaxnu"))
