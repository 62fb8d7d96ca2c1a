"""One fault each. Each class says which check finds it, and words that the message has."""

from __future__ import annotations

import dataclasses
import hmac
import logging
import uuid
from base64 import b64decode, b64encode
from hashlib import sha256

from pydantic import Field

from hub import (
    Ability,
    Account,
    BatchRefused,
    ConnectorSettings,
    Limits,
    Matching,
    MatchKey,
    Member,
    MessageEvents,
    NotVerified,
    Outcome,
    PartnerUnavailable,
    Refusal,
    SettingsWrong,
    Wait,
)
from tests.testing.broken.whole import Whole, WholeSettings


class HasANameOfTwoWords(Whole):
    found_by = "facts-name", "cannot be typed as one word"
    name = "Acme Corp"


class NamesNoSourceOfItsLimits(Whole):
    found_by = "facts-limits", "limits.source is 'somewhere'"
    limits = Limits(batch_size=100, concurrency=4, source="somewhere")


class HasASettingWithoutATitle(Whole):
    found_by = "facts-settings", "The setting region has no title"

    class Settings(WholeSettings):
        region: str = Field("eu", description="Where the account is.")


class KeepsASecretAsPlainText(Whole):
    found_by = "facts-settings", "access_token is a secret by its name"

    class Settings(ConnectorSettings):
        access_token: str = Field("", title="Token", description="Of the account.")


class DeclaresAKindTwice(Whole):
    found_by = "facts-message-events", "kind of message event 'open' is there twice"
    message_events = MessageEvents("acme", "https://acme.example/api#events", Whole.message_events.kinds * 2)


class ForgetsToDeclareAnAbility(Whole):
    found_by = "facts-abilities", "has list_members and does not declare Ability.LIST"
    abilities = Whole.abilities - {Ability.LIST}


class KnowsPeopleByOneKeyTwice(Whole):
    found_by = "facts-matching", "The match key '$email' is there twice"
    matching = Matching((MatchKey("$email", "email"), MatchKey("$email")))


class WritesWhileItChecks(Whole):
    found_by = "credentials-accepted", "check wrote members"

    async def check(self):
        await super().add(await self.open_audience("try"), [Member("try@example.com")])
        return await super().check()


class ChecksNothing(Whole):
    found_by = "credentials-refused", "passed in silence"

    async def check(self):
        return Account("acme-1", "Acme")


class TakesARefusedCredentialForAWrongSetting(Whole):
    found_by = "credentials-revoked", "SettingsWrong"

    async def add(self, audience, members):
        return await told_as(SettingsWrong("Something is wrong."), super().add(audience, members))


class MakesAnAudienceEachTime(Whole):
    found_by = "audience-found-again", "made a second audience"

    async def open_audience(self, name):
        return await super().open_audience(f"{name} {uuid.uuid4()}")


class SendsTheFirstFiftyOnly(Whole):
    found_by = "batches-taken", "members are not where they belong"

    async def add(self, audience, members):
        return await super().add(audience, members[:50])


class StatesBatchesThatThePartnerRefuses(Whole):
    found_by = "batches-taken", "add of 500 members ended with BatchRefused"
    limits = dataclasses.replace(Whole.limits, batch_size=500)


class RefusesWhoIsIn(Whole):
    found_by = "duplicates-harmless", "add refused person0@example.com, who is in the audience already"

    async def add(self, audience, members):
        known = {email async for page in self.list_members(audience) for email in page}
        await super().add(audience, members)
        return Outcome([Refusal(each.key, "is in already") for each in members if each.key in known])


class LosesADeletedAudience(Whole):
    found_by = "audience-closed", "add to an audience that was deleted ended with SettingsWrong"

    async def add(self, audience, members):
        return await told_as(SettingsWrong("Something is wrong."), super().add(audience, members))


class CallsEverybodyTaken(Whole):
    found_by = "refused-by-name", "add said that everybody was taken"

    async def add(self, audience, members):
        await super().add(audience, members)
        return Outcome()


class BreaksOnOneRefusal(Whole):
    found_by = "refused-by-name", "KeyError"

    async def add(self, audience, members):
        outcome = await super().add(audience, members)
        return {True: outcome}[not outcome.refused]


class RemovesEverybody(Whole):
    found_by = "removed", "members are not where they belong"

    async def remove(self, audience, members):
        everybody = [member async for page in self.read_members(audience, []) for member in page]
        return await super().remove(audience, everybody)


class BreaksOnTheUnknown(Whole):
    found_by = "removal-of-unknown", "remove of somebody who is not in ended with SettingsWrong"

    async def remove(self, audience, members):
        known = {email async for page in self.list_members(audience) for email in page}
        if any(member.key not in known for member in members):
            raise SettingsWrong("Acme does not know that person.")
        return await super().remove(audience, members)


class ListsTheFirstPage(Whole):
    found_by = "list-is-whole", "read everybody, page by page"

    async def list_members(self, audience):
        yield [each["email"] for each in await self.http.get(f"/groups/{audience.ref['group']}/people")]


class ClearsNothing(Whole):
    found_by = "values-cleared", "still has 'pro'"

    async def add(self, audience, members):
        told = [
            dataclasses.replace(each, values={name: text for name, text in each.values.items() if text is not None})
            for each in members
        ]
        return await super().add(audience, told)


class LosesTheHint(Whole):
    found_by = "busy-with-a-hint", "asked for 7 seconds (Retry-After), and Wait says 60"

    async def add(self, audience, members):
        try:
            return await super().add(audience, members)
        except Wait:
            raise Wait("Acme is busy.", seconds=60) from None


class TakesBusyForBroken(Whole):
    found_by = "busy-without-a-hint", "raised BatchRefused"

    async def add(self, audience, members):
        return await told_as(BatchRefused("Acme does not want it."), super().add(audience, members))


class GivesUpOnABrokenPartner(Whole):
    found_by = "broken-partner", "answered with 500, raised BatchRefused"

    async def add(self, audience, members):
        return await told_as(BatchRefused("Acme is broken."), super().add(audience, members))


class TakesATimeOutForSuccess(Whole):
    found_by = "slow-partner", "passed in silence"

    async def add(self, audience, members):
        try:
            return await super().add(audience, members)
        except PartnerUnavailable:
            return Outcome()


class SaysThatNothingWasSent(Whole):
    found_by = "answer-lost-after-commit", "the error says that nothing was sent"

    async def add(self, audience, members):
        return await told_as(PartnerUnavailable("Acme is away."), super().add(audience, members))


class ReadsNoAnswer(Whole):
    found_by = "unreadable-answer", "answered with nonsense, passed in silence"

    async def add(self, audience, members):
        people = [{"email": member.key, "fields": {}} for member in members]
        await self.http.request("POST", f"/groups/{audience.ref['group']}/add", body={"people": people})
        return Outcome()


class TellsItsKey(Whole):
    found_by = "secrets-kept", "The secret api_key is in an error"

    async def check(self):
        key = self.settings.api_key.get_secret_value()
        return await told_as(SettingsWrong(f"Acme did not like {key}."), super().check())


class LogsItsKey(Whole):
    found_by = "secrets-kept", "The secret api_key is in a log line"

    async def check(self):
        logging.getLogger("acme").info("asking with %s", self.settings.api_key.get_secret_value())
        return await super().check()


class SkipsAPage(Whole):
    found_by = "cursor-skips-nothing", "message events are skipped"

    async def pull(self, cursor):
        async for events, told in super().pull(cursor):
            yield events, {"after": told["after"] + 1}


class InventsIds(Whole):
    found_by = "events-told", "have other ids when they are pulled again"

    def message_event(self, told):
        return dataclasses.replace(super().message_event(told), id=str(uuid.uuid4()))


class InventsIdsWhenItDecodes(Whole):
    found_by = "door-takes-the-partners", "other ids when it was decoded again"

    def message_event(self, told):
        return dataclasses.replace(super().message_event(told), id=str(uuid.uuid4()))


class TakesTheUnsigned(Whole):
    found_by = "door-refuses-the-unsigned", "verify took a request without any signature"

    def verify(self, request):
        if "webhook-signature" in request.headers:
            super().verify(request)


class TakesAChangedByte(Whole):
    found_by = "door-refuses-a-changed-byte", "verify took a request with byte 0 changed"

    def verify(self, request):
        if "webhook-signature" not in request.headers:
            raise NotVerified("It is not signed.")


class TakesAnyKey(Whole):
    found_by = "door-refuses-a-wrong-key", "a key that is not this connection's (signing_secret)"

    def verify(self, request):
        """Nothing is compared with the settings."""


class KeepsNoWindow(Whole):
    found_by = "door-refuses-outside-the-window", "verify took a request signed 0:06:00 before it came"

    def verify(self, request):
        key = b64decode(self.settings.signing_secret.get_secret_value().removeprefix("whsec_"))
        told = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
        wanted = "v1," + b64encode(hmac.new(key, told, sha256).digest()).decode()
        if not hmac.compare_digest(wanted, request.headers["webhook-signature"]):
            raise NotVerified("The signature is not Acme's.")


async def told_as(error, call):
    """What any failure is told as."""
    try:
        return await call
    except Exception:  # noqa: BLE001 - that is the fault
        raise error from None


BROKEN = [each for each in Whole.__subclasses__() if hasattr(each, "found_by")]
