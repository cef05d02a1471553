"""Strict JAX for every test: double precision, no silent promotion, two CPU devices; and the command line."""

import atexit
import ctypes
import os
import shutil
import sys
import tempfile

# Most of what tests take is compilation, which takes half as long without optimising; what is compiled, 2.5 times.
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0"
)
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "agg")
# One compilation cache for all workers and the processes that they start, not the user's: the first to come makes it.
# It takes everything: small programs are many, and dropped from memory after each file.
if "PYTEST_XDIST_WORKER" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="jaxnu-tests-")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)

import jax
import pytest

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(scope="module", autouse=True)
def memory():
    """What a file of tests has compiled stays in the cache only, and its memory goes back to the system."""
    yield
    jax.clear_caches()
    if sys.platform == "linux":
        ctypes.CDLL("libc.so.6").malloc_trim(0)


@pytest.fixture
def run(tmp_path, monkeypatch, capsys):
    """Run the command in this process in an empty directory: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*words):
        from jaxnu.cli import main

        code = main(words)
        return code, *capsys.readouterr()

    return run
