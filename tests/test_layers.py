"""Imports go down the house only, and the heavy libraries stay in their rooms."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "jaxnu"
ROOMS = [
    *("_field", "cores", "constants", "cosmology"),
    *("neutrinos", "relics", "mediators", "narrow", "spectra", "evolutions", "sources"),
    *("universe", "channels", "daughters", "transport", "earth"),
    *("icecube", "constraints", "inference", "scan", "plotting", "cli"),
]
ONLY_IN = {
    **{"numpyro": {"inference"}, "optax": {"inference"}, "blackjax": {"inference"}},
    **{"matplotlib": {"plotting", "cli"}, "corner": {"plotting"}},
}
FILES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imports(path: Path) -> list[str]:
    nodes = list(ast.walk(ast.parse(path.read_text())))
    named = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return named + [node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module]


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path):
    room = _room(path)
    for name in _imports(path):
        top, *rest = name.split(".")
        if top == "jaxnu" and rest:
            assert ROOMS.index(rest[0]) <= ROOMS.index(room), f"{room} imports {name}"
        assert room in ONLY_IN.get(top, {room}), f"{room} imports {top}"
