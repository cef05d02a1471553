"""The README's example runs as printed, and its picture is there."""

import re
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_example_runs_and_gives_a_gradient(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 13
    names: dict = {}
    exec(code, names)
    assert names["flux"].shape == (3, 100)
    assert np.all(np.asarray(names["flux"]) > 0)
    slope = float(capsys.readouterr().out)
    assert np.isfinite(slope) and slope != 0


def test_pictures_and_links_exist():
    for path in re.findall(r"\]\(((?!http)[^)]+)\)", README):
        assert (ROOT / path).exists(), path
