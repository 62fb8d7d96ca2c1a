"""Checks of credentials, audiences and batches: who is in, who is out, who is refused."""

from __future__ import annotations

import orjson

from hub.connectors.contract import Ability, Account, Audience, Connector, Member, Outcome, Value
from hub.errors import AudienceGone, CredentialRefused, MemberRefused
from hub.testing.conformance.bench import Bench, Key, blame
from hub.testing.conformance.checks import check

MOST = 1500
"""People in the largest audience of a check."""


@check()
async def credentials_accepted(bench: Bench) -> None:
    """A good credential is accepted, its account told, and nobody written."""
    async with bench.opened() as connector:
        account = await bench.good("check with good settings", connector.check())
    if not isinstance(account, Account) or not account.id or not account.label:
        blame("check does not tell whose account it is.", "Return an Account with an `id` and a `label`.")
    if any(request["items"] for request in bench.partner.admin.requests(writing=True)):
        blame("check wrote members at the partner.", "check changes nothing: only read.")


@check(asks=("bad_credentials",))
async def credentials_refused(bench: Bench) -> None:
    """A bad credential is refused as one, before anything is sent."""
    for bad in bench.subject.bad_credentials:
        async with bench.opened(bench.settings(**bad)) as connector:
            await bench.bad(
                f"check with a bad {', '.join(bad)}",
                connector.check(),
                CredentialRefused,
                "check has to ask something that needs the credential; 401 and 403 mean CredentialRefused.",
            )


@check()
async def credentials_revoked(bench: Bench) -> None:
    """A credential that is revoked in the middle of a run stops it."""
    async with bench.opened() as connector:
        audience = await bench.audience(connector)
        await bench.fault_on_add(connector, audience, kind="status", status=401)
        await bench.bad(
            "add, answered with 401,",
            connector.add(audience, bench.people(1)),
            CredentialRefused,
            "A 401 means that the credential is not accepted any more: nothing helps but a new one.",
        )


@check()
async def audience_found_again(bench: Bench) -> None:
    """An audience is made once, and found by its name afterwards."""
    async with bench.opened() as connector:
        first, second = await bench.audience(connector), await bench.audience(connector)
    for opened in (first, second):
        if not isinstance(opened, Audience):
            blame(f"open_audience returned {type(opened).__name__}.", "Return an Audience.")
    try:
        same = orjson.loads(orjson.dumps(dict(first.ref))) == dict(second.ref)
    except TypeError:
        blame(f"The audience's ref {first.ref!r} is not JSON.", "Keep texts and numbers in it: the hub stores it.")
    if not same:
        blame(
            f"open_audience made a second audience: {dict(first.ref)}, then {dict(second.ref)}.",
            "Look for the name before you make one: the call may be repeated.",
        )


@check()
async def batches_taken(bench: Bench) -> None:
    """Full batches are taken, and all of their members are in."""
    members = bench.people(min(2 * bench.page + 1, MOST))
    async with bench.opened() as connector:
        audience = await bench.audience(connector)
        await bench.add(connector, audience, members)
        _same(bench, "add", await bench.held(connector, audience), members)


@check()
async def duplicates_harmless(bench: Bench) -> None:
    """A batch that is sent again changes nothing."""
    members = bench.people(min(3, bench.page))
    async with bench.opened() as connector:
        audience = await bench.audience(connector)
        await bench.add(connector, audience, members)
        again = await bench.good("add of members who are in already", connector.add(audience, members))
        if again.refused:
            blame(
                f"add refused {again.refused[0].key}, who is in the audience already: {again.refused[0].reason}",
                "Who is in already counts as taken: a batch whose answer was lost comes again.",
            )
        _same(bench, "a second add", await bench.held(connector, audience), members)


@check(asks=("refused",))
async def refused_by_name(bench: Bench) -> None:
    """One member whom the partner does not take is refused by name, and the others go in."""
    stranger = bench.subject.refused
    assert stranger is not None
    good = bench.people(min(2, max(1, bench.page - 1)))
    batch = [good[0], stranger, *good[1:]][: bench.page]
    async with bench.opened() as connector:
        audience = await bench.audience(connector)
        try:
            outcome = await connector.add(audience, batch)
        except MemberRefused:
            return  # the hub halves, and finds out whom it was about
        except Exception as error:  # noqa: BLE001 - told as any other
            bench.hear(error)
            blame(
                f"add with one member whom the partner refuses ended with {type(error).__name__}: {error}",
                "One member's refusal is not the batch's: return it in Outcome.refused.",
            )
        _refusals(bench, outcome, stranger)
        _same(bench, "add", await bench.held(connector, audience), [each for each in batch if each is not stranger])


def _refusals(bench: Bench, outcome: Outcome, stranger: Member) -> None:
    named = [refusal.key for refusal in outcome.refused]
    if stranger.key not in named:
        blame(
            f"The partner refused {stranger.key}, and add said that everybody was taken.",
            "Read the answer item by item: a 2xx may refuse some. Name them in Outcome.refused.",
        )
    if len(named) > 1:
        blame(
            f"The partner refused one member, and add named {len(named)}: {', '.join(sorted(named))}.",
            "Name only those whom the partner named.",
        )
    if not outcome.refused[0].reason.strip():
        blame(f"{stranger.key} was refused without a reason.", "Give the partner's own words: people act on them.")
    bench.told.append(outcome.refused[0].reason)


@check(Ability.REMOVE)
async def removed(bench: Bench) -> None:
    """Who is removed is out, and nobody else."""
    members = bench.people(3)
    async with bench.opened() as connector:
        audience = await bench.audience(connector)
        await bench.add(connector, audience, members)
        outcome = await bench.good("remove of a member", connector.remove(audience, members[:1]))
        if outcome.refused:
            blame(f"remove refused {outcome.refused[0].key}: {outcome.refused[0].reason}", "They were in the audience.")
        _same(bench, "remove", await bench.held(connector, audience), members[1:])


@check(Ability.REMOVE)
async def removal_of_unknown(bench: Bench) -> None:
    """Somebody who is not in the audience counts as taken out."""
    members, unknown = bench.people(1), bench.people(1, 2999)
    async with bench.opened() as connector:
        audience = await bench.audience(connector)
        await bench.add(connector, audience, members)
        outcome = await bench.good("remove of somebody who is not in", connector.remove(audience, unknown))
        if outcome.refused:
            blame(
                f"remove refused {unknown[0].key}, who is not in the audience: {outcome.refused[0].reason}",
                "Who is not in it counts as taken out: a removal whose answer was lost comes again.",
            )
        _same(bench, "remove", await bench.held(connector, audience), members)


@check(Ability.LIST)
async def list_is_whole(bench: Bench) -> None:
    """The list has everybody who was added, with the keys that add was given."""
    members = bench.people(min(2 * bench.page + 1, MOST))
    async with bench.opened() as connector:
        audience = await bench.audience(connector)
        await bench.add(connector, audience, members)
        _same(bench, "list_members", await bench.listed(connector, audience), members)


@check(Ability.CLEAR, Ability.READ, asks=("value",))
async def values_cleared(bench: Bench) -> None:
    """A value of None empties what was written."""
    assert bench.subject.value is not None
    target, value = bench.subject.value
    written = bench.subject.sample(0, value)
    emptied = Member(written.key, {target: None}, written.match)
    async with bench.opened() as connector:
        audience = await bench.audience(connector)
        await bench.add(connector, audience, [written])
        before = await _value(bench, connector, audience, target)
        if before is None or not connector.same_value(target, value, before):
            blame(f"add wrote {value!r} to {target}, and the partner has {before!r}.", "Write mapped values.")
        await bench.add(connector, audience, [emptied])
        after = await _value(bench, connector, audience, target)
        if after is not None:
            blame(
                f"add was given None for {target}, and the partner still has {after!r}.",
                "None means: empty it. Send what the partner takes for empty.",
            )


async def _value(bench: Bench, connector: Connector, audience: Audience, target: str) -> Value | None:
    async def read() -> list[Member]:
        return [member async for page in connector.read_members(audience, [target]) for member in page]

    found = await bench.good("read_members", read())
    return found[0].values.get(target) if found else None


@check(Ability.CLOSE)
async def audience_closed(bench: Bench) -> None:
    """A closed audience is empty or gone; closing it again is fine, and adding to it says that it is gone."""
    members = bench.people(1)
    async with bench.opened() as connector:
        audience = await bench.audience(connector)
        await bench.add(connector, audience, members)
        await bench.good("close_audience", connector.close_audience(audience))
        await bench.good("close_audience of one that is closed", connector.close_audience(audience))
        try:
            await connector.add(audience, members)
        except AudienceGone:
            return
        except Exception as error:  # noqa: BLE001 - told as any other
            bench.hear(error)
            blame(
                f"add to an audience that was deleted ended with {type(error).__name__}: {error}",
                "Raise AudienceGone: the next run then makes it anew.",
            )
        _same(bench, "add after close_audience", await bench.held(connector, audience), members)


def _same(bench: Bench, doing: str, found: set[Key], members: list[Member]) -> None:
    wanted = bench.keys(members)
    if missing := sorted(wanted - found):
        blame(
            f"After {doing} {len(missing)} of {len(wanted)} members are not where they belong, such as "
            f"{missing[0][1]}.",
            "Send and read everybody, page by page until the last, with the keys as they were given.",
        )
    if besides := sorted(found - wanted):
        blame(
            f"After {doing} {len(besides)} people are in the audience who do not belong, such as {besides[0][1]}.",
            "Take out whom remove names, and tell keys as add was given them.",
        )
