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


@pytest.mark.parametrize("package", ["hub", "tui", "plugins/mailchimp/hub_mailchimp"])
def test_every_module_says_what_lives_in_it(package):
    silent = [
        str(path)
        for path in (ROOT / package).rglob("*.py")
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]

    assert silent == []


def test_every_public_function_of_the_hub_says_what_it_does():
    silent = []
    for path in (ROOT / "hub").rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                parts = [
                    node,
                    *[part for part in node.body if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef)],
                ]
                silent += [
                    f"{path}:{part.lineno} {part.name}"
                    for part in parts
                    if not part.name.startswith("_") and not ast.get_docstring(part) and not _overrides(part)
                ]
    assert silent == []


def _overrides(node: ast.AST) -> bool:
    """Methods that a library calls are explained there."""
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in {
        "list_commands",
        "get_command",
        "resolve_command",
        "process_bind_param",
        "process_result_value",
        "resolve",
    }
