"""Strict JAX for every test: double precision, no silent promotion, two CPU devices; and the command line."""

import os

os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "agg")

import jax
import pytest

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """One compilation cache for all runs, not the user's."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def run(cache, tmp_path, monkeypatch, capsys):
    """Run the command in this process in an empty directory: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(cache))

    def run(*words):
        from jaxnu.cli import main

        code = main(words)
        return code, *capsys.readouterr()

    return run
