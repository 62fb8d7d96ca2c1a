"""Reading a definition, with errors that name the place: file, line, path to the field, and what could stand there."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hub.cohorts.definition import VERSION, Definition
from hub.cohorts.documents import Document, parse
from hub.cohorts.documents import Path as FieldPath
from hub.cohorts.model import shown
from hub.errors import DefinitionError, InputError

M = TypeVar("M", bound=BaseModel)

_MOST_ERRORS = 5
_HINT = "Nothing was saved. `hub cohort add --help` shows a definition."


def read_definition_file(path: Path) -> Definition:
    """Read the definition in a YAML or JSON file.

    Raises InputError when the file cannot be read, DefinitionError when it is no definition.
    """
    return read_definition(text_of_file(path), source=path.name)


def text_of_file(path: Path) -> str:
    """The text of a file that holds a definition in some spelling. Raises InputError."""
    try:
        return path.read_text("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 text.", hint="Save the definition as YAML or JSON in UTF-8.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.", hint="Check the path.") from error


def read_definition(text: str, *, source: str = "the definition") -> Definition:
    """Read a definition from YAML or JSON text. `source` names it in errors.

    Raises DefinitionError with file, line, path and what could stand there.
    """
    document = parse(text, source)
    if not isinstance(document.value, Mapping):
        raise DefinitionError(f"{source}: must be a group of keys, not {shown(document.value)}.", hint=_HINT)
    _check_version(document.value, source)
    return validated(Definition, document, source)


def stored_definition(value: Mapping[str, Any], *, name: str) -> Definition:
    """The definition of a cohort that is kept in the control plane.

    Raises DefinitionError when a newer hub wrote it.
    """
    source = f"the cohort {name!r}"
    _check_version(value, source)
    return validated(Definition, Document(dict(value)), source)


def _check_version(value: Mapping[str, Any], source: str) -> None:
    found = value.get("version")
    if isinstance(found, int) and not isinstance(found, bool) and found > VERSION:
        raise DefinitionError(
            f"{source}: version: is {found}, and this hub reads definitions up to version {VERSION}.",
            hint="A newer hub wrote it: use that version.",
        )
    if "version" not in value or found != VERSION or isinstance(found, bool):
        problem = f"must be {VERSION}, not {shown(found)}" if "version" in value else "is missing"
        raise DefinitionError(f"{source}: version: {problem}.", hint=f"Begin the definition with `version: {VERSION}`.")


def validated(model: type[M], document: Document, source: str, *, hint: str = _HINT) -> M:
    """What a document says, as a model of Pydantic. Raises DefinitionError with the places of the first errors."""
    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        lines = [_sentence(details, document, source) for details in found[:_MOST_ERRORS]]
        if len(found) > _MOST_ERRORS:
            lines.append(f"... and {len(found) - _MOST_ERRORS} more.")
        raise DefinitionError("\n".join(dict.fromkeys(lines)), hint=hint) from error


def _sentence(details: ErrorDetails, document: Document, source: str) -> str:
    return f"{place_of(path_of(details, document.value), document, source)}{problem_of(details)}."


def place_of(path: FieldPath, document: Document, source: str) -> str:
    """The beginning of a sentence about a field of a document: `hub.yaml, line 7: all[1].window: `."""
    line = document.line_of(path)
    return f"{source}, line {line}: {_written(path)}" if line else f"{source}: {_written(path)}"


def path_of(details: ErrorDetails, value: Any) -> FieldPath:
    """The path to the wrong field of an error in the document `value`, as it was written.

    Pydantic's own also holds the names of union members, and groups that a short form leaves out: what the
    document does not have is passed over, except a missing key.
    """
    path: list[str | int] = []
    for step in details["loc"]:
        if _has(value, step):
            path.append(step)
            value = value[step]
    key = details["loc"][-1] if details["type"] == "missing" else details.get("ctx", {}).get("key")
    return (*path, key) if key is not None and isinstance(value, (Mapping, list)) else tuple(path)


def _has(value: Any, step: str | int) -> bool:
    if isinstance(value, Mapping):
        return step in value
    return isinstance(value, list) and isinstance(step, int) and step < len(value)


def _written(path: FieldPath) -> str:
    """`all[1].window.last.unit: `; nothing for the document itself."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).lstrip(".")
    return f"{text}: " if text else ""


_PROBLEMS: Mapping[str, str] = {
    "missing": "is missing",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "too_long": "must not be longer than 255 letters",
    "tuple_type": "must be a list",
}


def problem_of(details: ErrorDetails) -> str:
    """What is wrong with a field, as the end of a sentence."""
    own = details["msg"][:1].lower() + details["msg"][1:]
    return _PROBLEMS.get(details["type"], own)
