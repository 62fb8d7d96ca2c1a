"""From a file to a plan: everything is checked before anything is done, except what only a partner can say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hub.declared.alerts import plan_alerts
from hub.declared.cohorts import plan_cohorts
from hub.declared.connections import plan_connections, plan_warehouses
from hub.declared.context import Context
from hub.declared.current import current
from hub.declared.plan import Plan, digest_of
from hub.declared.syncs import plan_syncs

if TYPE_CHECKING:
    from hub.app import Hub
    from hub.declared.file import Declared


def plan_of(hub: Hub, declared: Declared, *, prune: bool = False) -> Plan:
    """What applying the file would do. With `prune` things of its sections that it does not have are removed.

    Nothing is changed, no partner and no warehouse is asked. Raises InputError and DefinitionError with file, line and
    path for everything that is wrong.
    """
    context = Context(hub, declared, current(hub), prune)
    _compare_project(context)
    for part in (plan_warehouses, plan_connections, plan_cohorts, plan_syncs, plan_alerts):
        part(context)
    context.check()
    return Plan(
        entries=tuple(context.entries),
        digest=_digest(context),
        prune=prune,
        needs=tuple(dict.fromkeys(context.needs)),
        warnings=_unknown_names(context),
        versions=context.versions,
        documents=context.documents,
    )


def _compare_project(context: Context) -> None:
    project, wanted = context.hub.workspace.project, context.declared.spec.project
    for name in ("timezone", "identity"):
        said, found = getattr(wanted, name), getattr(project, name)
        if said is not None and said != found:
            context.refuse(
                ("project", name),
                f"the project {project.name!r} has {found}, and the file is for {said}.",
                "Applying changes no project: choose the right one with --project, or look at `hub project edit`.",
            )


def _digest(context: Context) -> str:
    """Of what the file says and of all that it is compared with: when either moves, the digest is another."""
    project = context.hub.workspace.project
    versions = {each.name: each.version for each in context.hub.cohorts.list()}
    done = [entry.figures() for entry in context.entries]
    there = context.current.model_dump(mode="json")
    return digest_of(project.name, context.prune, context.declared.document.value, there, versions, done)


def _unknown_names(context: Context) -> tuple[str, ...]:
    from hub.cohorts.names import unknown_names

    if not context.read:
        return ()
    workspace = context.hub.workspace
    with workspace.reading() as reader:
        return tuple(
            f"{name}: {each}"
            for name, definition in context.read.items()
            for each in unknown_names(reader, workspace.project, definition)
        )
