"""How Spark spells what DuckDB has a function for, and what Ibis spells for Spark in a way that means something else.

Expressions are written once (`hub.cohorts`, `hub.people`) with functions of DuckDB where Ibis has none. Here is the one
place that says what they are on Spark. JSON is read as Spark's VARIANT, which keeps the types of the values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import ibis.expr.operations as ops
import sqlglot.expressions as sge
from ibis.backends.sql.compilers.pyspark import PySparkCompiler

Spell = Callable[[Any, "ops.ScalarUDF", Any], Any]

_ROOT = ""
_PLAIN, _WHOLE_TEXT, _MOST_WHOLE = 1e-3, 1e7, 1e16
"""Java writes 0.001 to 9999999.9 without an exponent, DuckDB 0.0001 to 9999999999999998.0."""


class SparkSql(PySparkCompiler):  # type: ignore[misc]
    """Ibis's compiler for Spark, with the functions of DuckDB that the hub's expressions call."""

    __slots__ = ()

    def visit_ScalarUDF(self, op: Any, **arguments: Any) -> Any:
        """A function that is called by its name on DuckDB."""
        return _SPELLED[op.__func_name__](self, op, *arguments.values())

    def visit_NonNullLiteral(self, op: Any, *, value: Any, dtype: Any) -> Any:
        """A constant; of a list without elements its type has to be said."""
        if dtype.is_array() and not value:
            return self.cast(self.f.array(), dtype)
        return super().visit_NonNullLiteral(op, value=value, dtype=dtype)

    def visit_Lowercase(self, op: Any, *, arg: Any) -> Any:
        """Letter by letter, as on DuckDB: Java looks at what stands around a sigma, and makes two letters of a
        dotted I."""
        del op
        return self.f.lower(self.f.anon.translate(arg, "Σİ", "σi"))

    def visit_ArrayStringJoin(self, op: Any, *, arg: Any, sep: Any) -> Any:
        """The elements one after the other: a list without any is an empty text, not null."""
        del op
        return self.f.array_join(arg, sep)

    def visit_Cast(self, op: Any, *, arg: Any, to: Any) -> Any:
        """A cast; of a fraction to a text as DuckDB writes it, because such texts are kept and compared."""
        if op.arg.dtype.is_floating() and to.is_string():
            return _number_text(self, arg)
        return super().visit_Cast(op, arg=arg, to=to)


def _number_text(sql: SparkSql, number: Any) -> Any:
    """DuckDB's text of a DOUBLE out of Java's: `3.0`, `12345678.9`, `1e+20`, `1.5e-07`."""
    f = sql.f
    java = f.anon.string(number)
    sign = sql.if_(number < 0, "-", "")
    digits = f.anon.regexp_replace(f.anon.split_part(java, "E", 1), "[.]0$|[-.]", "")
    exponent = sge.TryCast(this=f.anon.split_part(java, "E", 2), to=sge.DataType.build("int"))
    whole = f.anon.rpad(digits, exponent + 1, "0")
    fraction = f.anon.substr(digits, exponent + 2)
    large = f.anon.concat(sign, f.anon.substr(whole, 1, exponent + 1), ".", sql.if_(fraction.eq(""), "0", fraction))
    small = f.anon.concat(sign, "0.", f.anon.repeat("0", -exponent - 1), digits)
    mantissa = f.anon.regexp_replace(f.anon.split_part(java, "E", 1), "[.]0$", "")
    power = f.anon.concat(
        sql.if_(exponent < 0, "-", "+"),
        f.anon.lpad(f.anon.string(f.anon.abs(exponent)), f.anon.greatest(2, _length(sql, exponent)), "0"),
    )
    size = f.anon.abs(number)
    return (
        sge.Case()
        .when(sge.Or(this=size.eq(0), expression=sge.And(this=size >= _PLAIN, expression=size < _WHOLE_TEXT)), java)
        .when(sge.And(this=size >= _WHOLE_TEXT, expression=size < _MOST_WHOLE), large)
        .when(sge.And(this=size >= 1e-4, expression=size < _PLAIN), small)
        .else_(f.anon.concat(mantissa, "e", power))
    )


def _length(sql: SparkSql, exponent: Any) -> Any:
    return sql.f.anon.char_length(sql.f.anon.string(sql.f.anon.abs(exponent)))


def _literal(op: ops.ScalarUDF, place: int) -> str:
    value = op.args[place]
    assert isinstance(value, ops.Literal), "a path is a constant"
    return str(value.value)


def _variant(sql: SparkSql, document: Any) -> Any:
    return sql.f.anon.try_parse_json(document)


def _cast(sql: SparkSql, variant: Any, kind: str) -> Any:
    """Null for what is no such value."""
    return sql.f.anon.try_variant_get(variant, "$", sge.convert(kind))


def _keys(sql: SparkSql, document: Any) -> Any:
    """An object as a map of its keys. No path is written: Spark has none for a key with both kinds of quotes."""
    return _cast(sql, _variant(sql, document), "map<string, variant>")


def _at(sql: SparkSql, op: ops.ScalarUDF, document: Any) -> Any:
    path = _literal(op, 1)
    if path == _ROOT:
        return _variant(sql, document)
    return sql.f.anon.try_element_at(_keys(sql, document), sge.convert(_key(path)))


def _key(pointer: str) -> str:
    """The key that a JSON pointer of one step leads to (RFC 6901)."""
    return pointer.removeprefix("/").replace("~1", "/").replace("~0", "~")


def _json_type(sql: SparkSql, op: ops.ScalarUDF, document: Any, path: Any) -> Any:
    del path
    kind = sql.f.anon.schema_of_variant(_at(sql, op, document))
    named = sge.Case().when(kind.eq("STRING"), sge.convert("VARCHAR")).when(kind.eq("VOID"), sge.convert("NULL"))
    for start, name in (("ARRAY", "ARRAY"), ("OBJECT", "OBJECT"), ("DECIMAL", "DOUBLE"), ("FLOAT", "DOUBLE")):
        named = named.when(sql.f.anon.startswith(kind, start), sge.convert(name))
    return named.else_(kind)


def _json_part(sql: SparkSql, op: ops.ScalarUDF, document: Any, path: Any) -> Any:
    del path
    if _literal(op, 1) == "$[*]":
        element = sge.to_identifier("element", quoted=True)
        texts = sge.Lambda(this=sql.f.anon.to_json(sge.column(element)), expressions=[element])
        return sql.f.anon.transform(_cast(sql, _variant(sql, document), "array<variant>"), texts)
    return sql.f.anon.to_json(_at(sql, op, document))


_SPELLED: dict[str, Callable[..., Any]] = {
    "epoch_us": lambda sql, _, instant: sql.f.anon.unix_micros(instant),
    "hash": lambda sql, _, *values: sql.f.anon.xxhash64(*values),
    "map_extract_value": lambda sql, _, found, key: sql.f.anon.try_element_at(found, key),
    "json_exists": lambda sql, op, document, _: sql.f.anon.map_contains_key(
        _keys(sql, document), sge.convert(_key(_literal(op, 1)))
    ),
    "json_type": _json_type,
    "json_extract_string": lambda sql, op, document, _: _cast(sql, _at(sql, op, document), "string"),
    "json_extract": _json_part,
}
"""By the name of DuckDB's function."""
