"""Every example runs where nothing else is, says something and leaves its picture there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import jaxnu

FOLDER = Path(__file__).parents[1] / "examples"
EXAMPLES = dict.fromkeys(sorted(FOLDER.glob("*.py")), ()) | {FOLDER / "study" / "study.py": ("--quick",)}


@pytest.mark.parametrize(("example", "options"), EXAMPLES.items(), ids=[path.stem for path in EXAMPLES])
def test_example_runs(example, options, tmp_path):
    package = str(Path(jaxnu.__file__).parents[1])
    search = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, str(example), *options],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": search, "MPLBACKEND": "agg"},
        capture_output=True,
        check=False,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert (tmp_path / f"{example.stem}.png").stat().st_size > 10_000
