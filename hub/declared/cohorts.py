"""Planning cohorts: definitions read, names resolved among those of the file and the hub, no circles."""

from __future__ import annotations

from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any

from hub.cohorts.cohort import Cohort
from hub.cohorts.definition import Definition, Listed
from hub.cohorts.editing import check_together, described, resting_on
from hub.cohorts.lists.sources import DYNAMIC, RECEIVED, SQL, STATIC, Received, Sql, Static, document, key_property
from hub.cohorts.references import named_cohorts
from hub.cohorts.rows import sound_name
from hub.cohorts.text.reading import definition_of_text
from hub.cohorts.versions import lines_of
from hub.declared.plan import Entry, FieldChange
from hub.errors import DefinitionError, HubError

if TYPE_CHECKING:
    from hub.declared.context import Context
    from hub.declared.file import CohortSpec


def plan_cohorts(context: Context) -> None:
    """Plan the cohorts of the file, each after those that it names."""
    known = {each.name: each for each in context.hub.cohorts.list()}
    documents = context.documents
    for name, spec in context.wanted("cohorts").items():
        try:
            sound = sound_name(name) == name
            documents[name] = wanted_cohort(context, name, spec)
        except DefinitionError as error:  # the text's own, which has its place
            context.problems.append(error.message)
        except HubError as error:
            context.refuse_error(("cohorts", name), error)
        else:
            if not sound:
                context.refuse(("cohorts", name), "has blanks around its name.")
            elif name in known:
                _refuse_another_kind(context, known[name], *documents[name])
            elif documents[name][0] == STATIC:
                context.refuse(
                    ("cohorts", name, "static"),
                    "is a list that is not there yet: its members are data, and no part of this file.",
                    f"Make it first, with `hub cohort add {name} --static FILE`.",
                )
    if context.problems:
        return
    _check_names(context, known, documents)
    for name in _in_order(context, known, documents):
        kind, wanted = documents[name]
        context.entries.append(_entry(context, name, kind, wanted, known.get(name)))
    context.add_rest("cohorts")
    for name in context.goes("cohorts"):
        busy = [sync for sync in context.hub.cohorts.uses(name).busy if sync not in context.goes("syncs")]
        if busy:
            context.problems.append(f"The cohort {name!r} cannot be removed: the sync {busy[0]!r} uses it.")


def wanted_cohort(context: Context, name: str, spec: CohortSpec) -> tuple[str, dict[str, Any]]:
    """The kind of a cohort of the file, and its document as it is kept. Raises DefinitionError, UsageError."""
    if spec.text is not None:
        place = context.declared.problem(("cohorts", name, "text"), "").message.removesuffix(": ")
        definition = definition_of_text(spec.text, source=place)
        return DYNAMIC, described(definition.document(), spec.description or definition.description)
    if spec.definition is not None:
        return DYNAMIC, described(spec.definition.document(), spec.description or spec.definition.description)
    if spec.sql is not None:
        return SQL, document(_checked(context, name, spec.sql), spec.description)
    if spec.received is not None:
        return RECEIVED, document(Received(key=key_property(spec.received.key)), spec.description)
    assert spec.static is not None
    return STATIC, document(Static(key=key_property(spec.static.key), origin=""), spec.description)


def _checked(context: Context, name: str, source: Sql) -> Sql:
    """The query as it is kept, if it only reads. The warehouse is asked when the file is applied."""
    from hub.cohorts.warehouses.kinds import kind_of
    from hub.cohorts.warehouses.sql import checked_sql

    urls = {key: spec.url for part in (context.there, context.wanted) for key, spec in part("warehouses").items()}
    if source.warehouse not in context.future("warehouses"):
        context.refuse_unknown(("cohorts", name, "sql", "warehouse"), "warehouses", source.warehouse)
        return source
    query = checked_sql(source.query, kind_of(urls[source.warehouse]).dialect)
    return source.model_copy(update={"query": query, "key": key_property(source.key)})


def _refuse_another_kind(context: Context, known: Cohort, kind: str, wanted: dict[str, Any]) -> None:
    path = ("cohorts", known.name)
    if known.kind != kind:
        context.refuse(
            path,
            f"the cohort is {known.kind}, and cannot become {kind}.",
            "Give the new one another name.",
        )
    elif kind in (STATIC, RECEIVED) and known.source and known.source.key != wanted[kind]["key"]:
        context.refuse(
            (*path, kind, "key"),
            f"the members of the list are known by {known.source.key}, not by {wanted[kind]['key']}.",
            "Give a list with another key another name.",
        )


def _future(
    context: Context, known: dict[str, Cohort], documents: dict[str, tuple[str, dict[str, Any]]]
) -> dict[str, Definition]:
    """The definition of every cohort that is there once the file is applied."""
    going = context.goes("cohorts")
    found = {name: cohort.definition for name, cohort in known.items() if name not in going}
    for name, (kind, wanted) in documents.items():
        dynamic = kind == DYNAMIC
        found[name] = Definition.model_validate(wanted) if dynamic else Listed(listed=name).alone()
    return found


def _check_names(context: Context, known: dict[str, Cohort], documents: dict[str, tuple[str, dict[str, Any]]]) -> None:
    future, going = _future(context, known, documents), context.goes("cohorts")
    touched = [*documents, *resting_on([*documents, *going], future)]
    for name in dict.fromkeys(touched):
        missing = [other for other in named_cohorts(future[name]) if other not in future]
        for other in missing:
            context.refuse_unknown(("cohorts", name), "cohorts", other)
    if context.problems:
        return
    for name in dict.fromkeys(touched):
        try:
            check_together(future, [name])
        except HubError as error:
            context.refuse_error(("cohorts", name), error)


def _in_order(
    context: Context, known: dict[str, Cohort], documents: dict[str, tuple[str, dict[str, Any]]]
) -> list[str]:
    """The cohorts of the file, each after those that it rests on."""
    if context.problems:
        return []
    future = _future(context, known, documents)
    sorted_all = TopologicalSorter({name: named_cohorts(definition) for name, definition in future.items()})
    return [name for name in sorted_all.static_order() if name in documents]


def _entry(context: Context, name: str, kind: str, wanted: dict[str, Any], known: Cohort | None) -> Entry:
    if known is None:
        _note_read(context, name, kind, wanted)
        return Entry("cohorts", name, "make", _fields(kind, {}, wanted, name))
    before = described(known.document, known.description)
    if kind == STATIC:  # where its members came from is no part of a file
        wanted[STATIC] = before[STATIC]
    if before == wanted:
        return Entry("cohorts", name, "unchanged")
    context.versions[name] = known.version
    _note_read(context, name, kind, wanted)
    following = [*context.hub.cohorts.followers(name).syncs]
    notes = (f"The syncs that follow: {', '.join(following)}.",) if following else ()
    return Entry("cohorts", name, "change", _fields(kind, before, wanted, name), notes)


def _fields(kind: str, before: dict[str, Any], after: dict[str, Any], name: str) -> tuple[FieldChange, ...]:
    """The lines of the whole cohort: its description and its definition are read together."""
    old = lines_of(kind, before, name) if before else []
    return (FieldChange("definition", old, lines_of(kind, after, name)),)


def _note_read(context: Context, name: str, kind: str, wanted: dict[str, Any]) -> None:
    if kind == DYNAMIC:
        context.read[name] = Definition.model_validate(wanted)
