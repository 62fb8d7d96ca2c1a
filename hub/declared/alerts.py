"""Planning alert channels, and writing them: addresses and commands are checked, secrets come from the environment."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from hub.alerts.machine import this_host
from hub.alerts.targets import COMMAND, SLACK, WEBHOOK, Target, check_name, checked_secret, guard, variable
from hub.declared.alert_specs import TIMEOUT, AlertSpec, alert_spec
from hub.declared.plan import Entry, FieldChange, changes
from hub.errors import AddressRefused, HubError
from hub.sync.intervals import interval_text

if TYPE_CHECKING:
    from hub.alerts.channels import Channel
    from hub.app import Hub
    from hub.declared.context import Context
    from hub.declared.file import Declared
    from hub.declared.plan import Plan


def plan_alerts(context: Context) -> None:
    """Plan the alert channels of the file."""
    known = {each.name: each for each in context.hub.alerts.channels.list()}
    for name, spec in context.wanted("alerts").items():
        path = ("alerts", name)
        try:
            check_name(name)
        except HubError as error:
            context.refuse_error(path, error)
        if name in known and known[name].kind != spec.kind:
            context.refuse(
                path,
                f"the channel is one of the kind {known[name].kind}, and cannot become one of the kind {spec.kind}.",
                "Give the new one another name.",
            )
        else:
            _plan(context, name, spec, known.get(name))
    context.add_rest("alerts")


def secret_variable(name: str, spec: AlertSpec) -> str:
    """The variable with the secret of a channel: what a webhook signs with, or the address of a chat."""
    return variable(name, "url" if spec.kind == SLACK else "secret")


def guard_alerts(hub: Hub, declared: Declared, plan: Plan) -> None:
    """Refuse addresses within the hub's own network. Raises InputError with the place in the file."""
    for entry in plan.of("alerts", "make", "change"):
        spec = declared.spec.alerts[entry.name]
        try:
            guard(_target(entry.name, spec), hub.settings)
        except AddressRefused as error:
            said = error.message[:1].lower() + error.message[1:]
            raise declared.problem(("alerts", entry.name, spec.kind), said, error.hint) from error


def write_alert(hub: Hub, entry: Entry, spec: AlertSpec) -> None:
    """Make or change a channel as it was planned."""
    channels, target = hub.alerts.channels, _target(entry.name, spec)
    secret = _secret(entry.name, spec) if spec.kind == WEBHOOK else ""
    if entry.action == "make":
        channels.add(entry.name, target, level=spec.level, secret=secret)
        return
    differs = {each.name for each in entry.fields}
    channels.edit(
        entry.name,
        target=target if differs - {"level", "secret"} else None,
        level=spec.level,
        secret=secret if "secret" in differs else "",
    )


def _plan(context: Context, name: str, spec: AlertSpec, known: Channel | None) -> None:
    path = ("alerts", name, spec.kind)
    given = spec.kind != COMMAND and _secret(name, spec)
    if spec.kind == SLACK and not _is_host(str(spec.slack)):
        context.refuse(
            path,
            "has to be a host alone: the address is a secret, and no file holds one. "
            f"Put it into {secret_variable(name, spec)}.",
        )
        return
    if spec.kind == SLACK and not given:
        if known is None or known.settings["host"] != spec.slack:
            context.needs.append(secret_variable(name, spec))
    elif not (known and known.host and known.host != this_host()):
        try:
            spec = _as_kept(spec, _target(name, spec).check())
        except HubError as error:
            context.refuse_error(path, error)
            return
    if spec.kind == WEBHOOK and known is None and not given:
        context.needs.append(secret_variable(name, spec))
    found = [*changes(_fields(alert_spec(known)) if known else {}, _fields(spec))]
    if given:
        _plan_secret(context, name, spec, known, found)
    if known is None:
        notes = (f"It runs on this machine alone, {this_host()}.",) if spec.kind == COMMAND else ()
        context.entries.append(Entry("alerts", name, "make", tuple(found), notes))
        return
    if known.host and known.host != this_host() and any(each.name != "level" for each in found):
        context.refuse(path, f"is run by the machine {known.host}, and has to be changed there.")
    context.entries.append(Entry("alerts", name, "change" if found else "unchanged", tuple(found)))


def _plan_secret(context: Context, name: str, spec: AlertSpec, known: Channel | None, found: list[FieldChange]) -> None:
    """Check the secret that the environment has, and note that it is another one than the channel's."""
    named, given = secret_variable(name, spec), _secret(name, spec)
    try:
        sound = given if spec.kind == SLACK else checked_secret(Target(WEBHOOK), given)
    except HubError as error:
        context.refuse(("alerts", name, spec.kind), f"{named}: {error.message}", error.hint)
        return
    if spec.kind == SLACK and (host := urlsplit(sound).hostname) != spec.slack:
        context.refuse(("alerts", name, SLACK), f"is {spec.slack}, and {named} leads to {host}.")
    elif known and context.hub.alerts.channels.secret(name) != sound:
        what = "address" if spec.kind == SLACK else "secret"
        found.append(FieldChange(what, "(secret)", f"(secret, from {named})"))


def _target(name: str, spec: AlertSpec) -> Target:
    if spec.command is not None:
        return Target(COMMAND, argv=spec.command, timeout=spec.timeout or TIMEOUT)
    if spec.webhook is not None:
        return Target(WEBHOOK, url=spec.webhook)
    return Target(SLACK, url=_secret(name, spec))


def _secret(name: str, spec: AlertSpec) -> str:
    return os.environ.get(secret_variable(name, spec), "")


def _as_kept(spec: AlertSpec, target: Target) -> AlertSpec:
    """The same with the whole path of its command, which is what is kept."""
    return spec.model_copy(update={"command": target.argv}) if spec.kind == COMMAND else spec


def _fields(spec: AlertSpec) -> dict[str, Any]:
    leads = getattr(spec, spec.kind)
    timeout = {"timeout": interval_text(spec.timeout or TIMEOUT)} if spec.kind == COMMAND else {}
    return {spec.kind: [*leads] if spec.kind == COMMAND else leads, **timeout, "level": spec.level}


def _is_host(text: str) -> bool:
    return urlsplit(f"//{text}").hostname == text and text.isprintable()
