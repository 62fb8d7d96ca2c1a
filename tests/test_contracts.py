"""Imports run one way, and the packages hold what they promise."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_the_import_contracts_hold():
    linted = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert linted.returncode == 0, linted.stdout


@pytest.mark.parametrize(
    "package",
    [
        "hub",
        "tui",
        "plugins/braze/hub_braze",
        "plugins/customerio/hub_customerio",
        "plugins/mailchimp/hub_mailchimp",
        "plugins/webhook/hub_webhook",
    ],
)
def test_every_module_says_what_lives_in_it(package):
    silent = [
        str(path)
        for path in (ROOT / package).rglob("*.py")
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]

    assert silent == []


def test_every_public_function_of_the_hub_says_what_it_does():
    trees = {path: ast.parse(path.read_text()) for path in (ROOT / "hub").rglob("*.py")}
    classes: dict[str, list[ast.ClassDef]] = {}
    for node in (node for tree in trees.values() for node in tree.body if isinstance(node, ast.ClassDef)):
        classes.setdefault(node.name, []).append(node)
    silent = []
    for path, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                silent += [
                    f"{path}:{part.lineno} {part.name}"
                    for part in (node, *_methods(node))
                    if not part.name.startswith("_")
                    and not ast.get_docstring(part)
                    and not (part is not node and _is_explained_above(node, part.name, classes))
                ]
    assert silent == []


CALLED_BY_LIBRARIES = {"Transformer", "TypeDecorator", "TyperGroup"}
"""Base classes of libraries whose methods the library calls, and explains."""


def _methods(node: ast.ClassDef) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [part for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)]


def _is_explained_above(node: ast.ClassDef, name: str, classes: dict[str, list[ast.ClassDef]]) -> bool:
    """Whether a method stands in for one of a base class that says what it does; what a library calls is explained
    there."""
    bases = [ast.unparse(base).split("[")[0].split(".")[-1] for base in node.bases]
    return any(
        base in CALLED_BY_LIBRARIES
        or any(
            _is_explained_above(above, name, classes)
            or any(part.name == name and ast.get_docstring(part) for part in _methods(above))
            for above in classes.get(base, ())
        )
        for base in bases
    )
