"""SQL that people wrote: one query that only reads, or a sentence about what it is instead."""

from __future__ import annotations

from hub.errors import UsageError

_HINT = "The hub only reads: write one SELECT, whose rows are the members."


def checked_sql(text: str, dialect: str) -> str:
    """`text` without the semicolon at its end, if it is one query that changes nothing.

    `dialect` is sqlglot's name. The database is opened for reading alone besides. Raises UsageError.
    """
    import sqlglot
    from sqlglot import expressions as sql
    from sqlglot.errors import SqlglotError

    try:
        statements = [each for each in sqlglot.parse(text, read=dialect) if each is not None]
    except SqlglotError as error:
        raise UsageError(f"The SQL cannot be read: {_place(error)}.", hint="Try it on the warehouse first.") from error
    statements = [each for each in statements if not isinstance(each, sql.Semicolon)]
    if not statements:
        raise UsageError("The SQL is empty.", hint=_HINT)
    if len(statements) > 1:
        raise UsageError(f"The SQL has {len(statements)} statements, and can have one.", hint=_HINT)
    if not isinstance(statements[0], sql.Query):
        raise UsageError(f"The SQL is no query: it begins with {_first_word(text)}.", hint=_HINT)
    writing = (sql.DML, sql.DDL, sql.Command, sql.Into, sql.Lock, sql.Merge)
    for node in statements[0].walk():
        if isinstance(node, writing) and not isinstance(node, sql.Query):
            raise UsageError(f"The SQL writes or locks ({node.key.upper()}).", hint=_HINT)
    return text.strip().rstrip(";").rstrip()


def _place(error: Exception) -> str:
    found = getattr(error, "errors", None)
    if not found:
        return str(error).splitlines()[0].rstrip(".")
    first = found[0]
    said = str(first["description"]).rstrip(".")
    return f"line {first['line']}, column {first['col']}: {said[:1].lower()}{said[1:]}"


def _first_word(text: str) -> str:
    import sqlglot

    tokens = sqlglot.tokenize(text)
    return tokens[0].text.upper()[:40] if tokens else ""
