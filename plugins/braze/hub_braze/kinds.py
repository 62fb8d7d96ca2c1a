"""Braze's message events as data: each type of Currents, its name in Mixpanel, whether it is exempt, what it means.

Sources: Braze's event glossary (https://www.braze.com/docs/user_guide/data/distribution/braze_currents/event_glossary/)
for the types; https://docs.mixpanel.com/docs/cohort-sync/integrations/braze for the 15 exempt names and the marker
`$partner_id`. Where that page names no event of a type, the name is made as its names are: channel, then event.
"""

from __future__ import annotations

from collections.abc import Iterator

from hub import MessageEventKind, MessageEvents, Metric

MESSAGES = "users.messages."
"""What the types of message events begin with."""

UNSUBSCRIBED, SUBSCRIBED = ".Unsubscribed", ".Subscribed"
"""What stands behind a type whose meaning depends on what it tells: answers by SMS, and states of consent."""

SMS_ANSWER = MESSAGES + "sms.InboundReceive"
WHATSAPP_ANSWER = MESSAGES + "whatsapp.InboundReceive"
GLOBAL_STATE = "users.behaviors.subscription.GlobalStateChange"
GROUP_STATE = "users.behaviors.subscriptiongroup.StateChange"
EMAIL_UNSUBSCRIBE = MESSAGES + "email.Unsubscribe"
EMAIL_BOUNCE = MESSAGES + "email.Bounce"

_CHANNELS = {
    "email": ("Email", "email"),
    "pushnotification": ("Push Notification", "push"),
    "sms": ("SMS", "sms"),
    "rcs": ("RCS", "rcs"),
    "whatsapp": ("WhatsApp", "whatsapp"),
    "line": ("LINE", "line"),
    "inappmessage": ("In-App Message", "in_app"),
    "contentcard": ("Content Card", "content_card"),
    "banner": ("Banner", "banner"),
    "webhook": ("Webhook", "webhook"),
    "liveactivity": ("Live Activity", "live_activity"),
    "featureflag": ("Feature Flag", "feature_flag"),
    "newsfeedcard": ("News Feed Card", "news_feed"),
}
"""A channel's name in types, in events and in the hub."""

_ABORT_AND_RETRY = {"Abort": Metric.SKIPPED, "Retry": Metric.DEFERRED}
_PHONE = {
    "Send": Metric.SENT, "CarrierSend": Metric.SENT, "Delivery": Metric.DELIVERED, "Read": Metric.OPENED,
    "Click": Metric.CLICKED, "ShortLinkClick": Metric.CLICKED, "DeliveryFailure": Metric.FAILED,
    "Failure": Metric.FAILED, "Rejection": Metric.FAILED, "InboundReceive": Metric.REPLIED, **_ABORT_AND_RETRY,
}  # fmt: skip
_SCREEN = {
    "Send": Metric.SENT, "Impression": Metric.OPENED, "Click": Metric.CLICKED, "Dismiss": Metric.OTHER,
    **_ABORT_AND_RETRY,
}  # fmt: skip

_METRICS: dict[str, dict[str, Metric]] = {
    "email": {
        "Send": Metric.SENT, "Delivery": Metric.DELIVERED, "Open": Metric.OPENED, "Click": Metric.CLICKED,
        "Bounce": Metric.BOUNCED, "SoftBounce": Metric.BOUNCED, "Deferral": Metric.DEFERRED,
        "MarkAsSpam": Metric.COMPLAINED, "Unsubscribe": Metric.UNSUBSCRIBED, **_ABORT_AND_RETRY,
    },
    "pushnotification": {
        "Send": Metric.SENT, "Bounce": Metric.BOUNCED, "Open": Metric.OPENED, "IosForeground": Metric.OTHER,
        **_ABORT_AND_RETRY,
    },
    "sms": _PHONE, "rcs": _PHONE, "whatsapp": _PHONE, "line": _PHONE,
    "inappmessage": _SCREEN, "contentcard": _SCREEN, "banner": _SCREEN,
    "webhook": {"Send": Metric.SENT, "Failure": Metric.FAILED, **_ABORT_AND_RETRY},
    "liveactivity": {"Send": Metric.SENT, "Outcome": Metric.OTHER, "PushToStartTokenChange": Metric.OTHER,
                     "UpdateTokenChange": Metric.OTHER},
    "featureflag": {"Impression": Metric.OPENED},
    "newsfeedcard": {"Impression": Metric.OPENED, "Click": Metric.CLICKED},
}  # fmt: skip

_SPELT = {
    "SoftBounce": "Soft Bounce", "MarkAsSpam": "Mark As Spam", "CarrierSend": "Send to Carrier",
    "DeliveryFailure": "Delivery Failure", "InboundReceive": "Inbound Receive", "ShortLinkClick": "Short Link Click",
    "IosForeground": "iOS Foreground", "PushToStartTokenChange": "Push To Start Token Change",
    "UpdateTokenChange": "Update Token Change",
}  # fmt: skip

EXEMPT = frozenset({
    "Canvas Entry",
    "Email Send", "Email Delivery", "Email Bounce", "Email Soft Bounce", "Email Mark As Spam", "Email Unsubscribe",
    "Push Notification Send", "Push Notification Bounce",
    "Webhook Send",
    "SMS Send", "SMS Send to Carrier", "SMS Delivery", "SMS Delivery Failure", "SMS Rejection",
})  # fmt: skip
"""Exactly the names that Mixpanel publishes: no other event of Braze's is exempt."""

BOUNCE_TYPES = {
    EMAIL_BOUNCE: "hard",
    MESSAGES + "email.SoftBounce": "soft",
    MESSAGES + "pushnotification.Bounce": "hard",
}


def _kinds() -> Iterator[MessageEventKind]:
    for family, metrics in _METRICS.items():
        name, channel = _CHANNELS[family]
        for event, metric in metrics.items():
            yield _kind(f"{MESSAGES}{family}.{event}", f"{name} {_SPELT.get(event, event)}", metric, channel)
    for answer, name, channel in ((SMS_ANSWER, "SMS", "sms"), (WHATSAPP_ANSWER, "WhatsApp", "whatsapp")):
        yield _kind(answer + UNSUBSCRIBED, f"{name} Inbound Receive", Metric.UNSUBSCRIBED, channel)
        yield _kind(answer + SUBSCRIBED, f"{name} Inbound Receive", Metric.SUBSCRIBED, channel)
    for state, name in ((GLOBAL_STATE, "Global State Change"), (GROUP_STATE, "Subscription Group State Change")):
        yield _kind(state, name, Metric.OTHER, "")
        yield _kind(state + UNSUBSCRIBED, name, Metric.UNSUBSCRIBED, "")
        yield _kind(state + SUBSCRIBED, name, Metric.SUBSCRIBED, "")
    yield _kind("users.canvas.Entry", "Canvas Entry", Metric.OTHER, "")
    yield _kind("users.canvas.Conversion", "Canvas Conversion", Metric.CONVERTED, "")
    yield _kind("users.campaigns.Conversion", "Campaign Conversion", Metric.CONVERTED, "")
    yield _kind("users.campaigns.EnrollInControl", "Campaign Control Group Enroll", Metric.OTHER, "")


def _kind(kind: str, event: str, metric: Metric, channel: str) -> MessageEventKind:
    return MessageEventKind(kind, event, event in EXEMPT, metric=metric, channel=channel)


MESSAGE_EVENTS = MessageEvents(
    source="braze",
    page="https://docs.mixpanel.com/docs/cohort-sync/integrations/braze",
    kinds=tuple(_kinds()),
    marker="$partner_id",
)

BY_KIND = {kind.kind: kind for kind in MESSAGE_EVENTS.kinds}
