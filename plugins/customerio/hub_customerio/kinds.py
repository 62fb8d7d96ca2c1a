"""Customer.io's message events, as data: every kind that it reports, and the name it has in the hub.

Names: those that Customer.io itself sends to Mixpanel and other tools
(https://docs.customer.io/integrations/data-out/connections/customerio-source/); what is not among them (undeliverable,
deferred, replied, all of WhatsApp, two that the App API alone lists) is named by the same pattern. Kinds:
https://docs.customer.io/integrations/data-out/webhooks/reporting-webhooks/. Exemption: neither Mixpanel nor Customer.io
documents one, so the hub's own rule: what a person did counts (opens, clicks, conversions), all else is exempt.
"""

from __future__ import annotations

from collections.abc import Mapping

from hub import MessageEventKind, MessageEvents, Metric

SOURCE = "customer.io"

_CHANNELS: Mapping[str, str] = {
    "email": "Email",
    "push": "Push",
    "sms": "SMS",
    "whatsapp": "WhatsApp",
    "in_app": "In-App",
    "slack": "Slack",
    "webhook": "Webhook",
}
_METRICS: Mapping[str, tuple[str, Metric]] = {
    "drafted": ("Drafted", Metric.OTHER),
    "attempted": ("Attempted", Metric.DEFERRED),  # it did not work, and is tried again
    "deferred": ("Deferred", Metric.DEFERRED),
    "sent": ("Sent", Metric.SENT),
    "delivered": ("Delivered", Metric.DELIVERED),
    "opened": ("Opened", Metric.OPENED),
    "clicked": ("Link Clicked", Metric.CLICKED),
    "converted": ("Converted", Metric.CONVERTED),
    "unsubscribed": ("Unsubscribed", Metric.UNSUBSCRIBED),
    "bounced": ("Bounced", Metric.BOUNCED),
    "dropped": ("Suppressed", Metric.SKIPPED),
    "spammed": ("Marked as Spam", Metric.COMPLAINED),
    "failed": ("Failed", Metric.FAILED),
    "undeliverable": ("Undeliverable", Metric.SKIPPED),
    "replied": ("Replied", Metric.REPLIED),
}
_REPORTED: Mapping[str, str] = {
    "email": "drafted attempted deferred sent delivered opened clicked converted unsubscribed bounced dropped spammed"
    " failed undeliverable",
    "push": "drafted attempted sent delivered opened clicked converted bounced dropped failed undeliverable",
    "sms": "drafted attempted sent delivered clicked converted bounced dropped failed undeliverable replied",
    "whatsapp": "drafted attempted sent delivered opened clicked converted bounced dropped failed undeliverable"
    " replied",
    "in_app": "drafted attempted sent opened clicked converted failed undeliverable",
    "slack": "drafted attempted sent clicked converted failed undeliverable",
    "webhook": "drafted attempted sent clicked converted failed undeliverable",
}
_OF_PEOPLE: Mapping[str, tuple[str, Metric]] = {
    "subscribed": ("Subscribed", Metric.SUBSCRIBED),
    "unsubscribed": ("Unsubscribed", Metric.UNSUBSCRIBED),
    "cio_subscription_preferences_changed": ("Subscription Preferences Changed", Metric.OTHER),
}
_ALSO_CALLED = {"subscription_preferences_changed": "cio_subscription_preferences_changed"}
_COUNTED = {Metric.OPENED, Metric.CLICKED, Metric.CONVERTED}
_OTHER_WORDS = {("in_app", "clicked"): "In-App Clicked"}


def _of_messages(channel: str, metric: str) -> MessageEventKind:
    words, meaning = _METRICS[metric]
    event = _OTHER_WORDS.get((channel, metric), f"{_CHANNELS[channel]} {words}")
    return MessageEventKind(f"{channel}_{metric}", event, meaning not in _COUNTED, metric=meaning, channel=channel)


def _of_people(metric: str) -> MessageEventKind:
    words, meaning = _OF_PEOPLE[metric]
    return MessageEventKind(f"customer_{metric}", words, True, metric=meaning, channel="")


MESSAGE_EVENTS = MessageEvents(
    source=SOURCE,
    page="https://docs.customer.io/integrations/data-out/webhooks/reporting-webhooks/",
    kinds=(
        *(_of_messages(channel, metric) for channel, metrics in _REPORTED.items() for metric in metrics.split()),
        *(_of_people(metric) for metric in _OF_PEOPLE),
    ),
)
"""`$source` is `customer.io`."""

_KNOWN = {kind.kind: kind for kind in MESSAGE_EVENTS.kinds}


def kind_of(object_type: str, metric: str) -> MessageEventKind | None:
    """The kind of an event, as a webhook names it; None for one that Customer.io had not documented.

    A change of somebody's subscription is one of the person, whatever channel it came by.
    """
    if metric in _ALSO_CALLED:
        metric = _ALSO_CALLED[metric]
    return _KNOWN.get(f"{object_type}_{metric}") or _KNOWN.get(f"customer_{metric}")
