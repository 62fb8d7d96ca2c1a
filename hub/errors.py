"""Every error that the hub raises on purpose, filed by what happens next.

::

    HubError                      something a person can act on; exit code 1
    ├── UsageError                wrong usage or input; nothing was changed; exit code 2
    │   ├── NotInitialised        there is no hub in this folder yet
    │   ├── NotFound              a name that the hub does not know
    │   ├── AlreadyExists         a name that is taken
    │   ├── DefinitionError       a cohort definition that cannot be read; names the field
    │   ├── InputError            a file or value that is not what it says
    │   └── AddressRefused        an address on the hub's own network
    ├── Busy                      somebody else is doing it right now
    ├── Held                      a guard stopped it until a person has looked; exit code 3
    ├── Interrupted               stopped by a signal after saving; exit code 130 or 143
    ├── StoreError                the control plane or the lake cannot be used (full disk, newer schema)
    │   └── Overtaken             what was to be replaced has changed meanwhile; nothing was written, try again
    ├── WarehouseError            a warehouse is away, or does not answer the query
    ├── NotDelivered              an alert that did not arrive; it is tried again
    ├── SecretsUnreadable         the key does not open the secrets
    ├── NotVerified               what came in at the door is not proven to be the partner's
    ├── PluginError               a plugin is broken; it is named and left out
    └── PartnerError              a partner said no, or nothing
        ├── CredentialRefused     stop this connection, ask for a new credential
        ├── SettingsWrong         stop this connection, a setting has to be changed
        ├── MappingWrong          stop this run: a mapped value has no place at the partner
        ├── AudienceGone          the audience was deleted at the partner; make it anew
        ├── Wait                  try again after so many seconds
        ├── PartnerUnavailable    try again later; the answer may have been lost
        ├── BatchRefused          the batch as a whole was refused; halve it
        └── MemberRefused         this one member was refused, for good
"""

from __future__ import annotations


class HubError(Exception):
    """An error for people: what went wrong and where, and what to do next.

    `str(error)` is the message; `hint` is the next step (may be empty); `exit_code` is the process's.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(HubError):
    """Wrong usage or wrong input. Nothing was changed."""

    exit_code = 2


class NotInitialised(UsageError):
    """The folder holds no hub yet; `hub init` makes one."""


class NotFound(UsageError):
    """A name that the hub does not know."""


class AlreadyExists(UsageError):
    """A name that is taken."""


class DefinitionError(UsageError):
    """A cohort definition that cannot be read. The message holds the path to the wrong field."""


class InputError(UsageError):
    """A file or a value that is not what it says it is."""


class AddressRefused(UsageError):
    """An address given by a user leads to the hub's own network."""


class Busy(HubError):
    """Another process is doing this very thing now."""


class Held(HubError):
    """A guard stopped it: what a person approved is not what would be done now. Nothing was changed."""

    exit_code = 3


class Interrupted(HubError):
    """Stopped by a signal, after everything done so far was saved. `signal_number` is 2 or 15."""

    def __init__(self, message: str, *, signal_number: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.exit_code = 128 + signal_number


class StoreError(HubError):
    """The control plane or the lake cannot be read or written."""


class OutOfMemory(StoreError):
    """A question needs more memory than its engine may have, and cannot do with the disk instead."""


class Overtaken(StoreError):
    """What was to be replaced in the lake was changed by somebody else meanwhile. Nothing was written."""


class WarehouseError(HubError):
    """A warehouse is away, or its answer is not what the cohort says it is. Nothing was changed."""


class NotDelivered(HubError):
    """An alert that did not arrive. `after` is for how many seconds its receiver asked to be left alone."""

    def __init__(self, message: str, *, hint: str = "", after: float = 0.0) -> None:
        super().__init__(message, hint=hint)
        self.after = after


class SecretsUnreadable(HubError):
    """The key at hand does not open the stored secrets."""


class NotVerified(HubError):
    """A request at the door that is not proven to be the partner's: nothing of it is kept. `status` is the answer."""

    def __init__(self, message: str, *, status: int = 401, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


class PluginError(HubError):
    """A plugin is broken: named, with its reason, and left out."""


class PartnerError(HubError):
    """A partner said no, or nothing at all. Connectors raise one of the classes below.

    `answer_lost` is True when the request may have been carried out all the same, wholly or in part, so that
    sending it again may repeat it.
    """

    def __init__(self, message: str, *, answer_lost: bool = False, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.answer_lost = answer_lost


class CredentialRefused(PartnerError):
    """The partner does not accept the credential (any more). Never retried: the connection stops."""


class SettingsWrong(PartnerError):
    """A setting of the connection cannot work (a deleted list, a wrong region). The connection stops."""


class MappingWrong(PartnerError):
    """The mapping of a sync names something that the partner does not have. The run ends; the connection works."""


class AudienceGone(PartnerError):
    """The audience no longer exists at the partner. The next run makes it anew and sends everyone."""


class Wait(PartnerError):
    """The partner asks for a pause. `seconds` is None when it gave no hint."""

    def __init__(self, message: str, *, seconds: float | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.seconds = seconds


class PartnerUnavailable(PartnerError):
    """No usable answer: it will be tried again."""


class BatchRefused(PartnerError):
    """The partner refused the batch as a whole, because of something in it: the hub halves it."""


class MemberRefused(PartnerError):
    """The partner refused the one member of this request, for good. `code` is the partner's own."""

    def __init__(self, message: str, *, code: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.code = code
