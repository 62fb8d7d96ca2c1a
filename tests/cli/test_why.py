"""`hub why` and `hub sync attempts`: the whole story of one person, as a newcomer reads it."""

from __future__ import annotations

import json

from tests.customers import buy, describe, email


async def test_one_person_is_followed_from_the_cohort_to_the_partners_answer_across_a_merge(
    connected, partner, tmp_path, cli
):
    connected.syncs.start("loyal", "news", every=None)
    buy(connected, tmp_path, ["nobody", "plain", "elsewhere"])
    connected.profiles.import_file(str(_profile(tmp_path, "plain")))
    describe(connected, tmp_path, ["elsewhere"])
    describe(connected, tmp_path, ["stranger"])
    done = await connected.syncs.run("loyal-news")
    connected.events.import_file(str(_link(tmp_path, "p000-phone", "p000")))

    told = cli("why", email("p000")).stdout
    story = connected.why("$device:p000-phone").figures()
    attempts = cli("sync", "attempts", str(done.id), "--batch", "1", "--body").stdout

    assert story["person"] == "p000"
    assert [each["kind"] for each in story["timeline"]] == ["entered", "planned", "attempt"]
    assert story["now"][0]["held_since"]
    assert f"loyal-news, run {done.id}: sent in batch 1, attempt 1: acknowledged" in told
    assert "Now, loyal-news (hub: loyal at news): held at the partner; in the cohort loyal." in told
    assert "POST http" in attempts
    assert email("p000") in attempts
    assert str(partner.settings["api_key"]) not in attempts + told

    refused = cli("why", "elsewhere").stdout
    assert "attempt 1: rejected, " in refused
    assert "Now, loyal-news (hub: loyal at news): not held at the partner; rejected, " in refused
    assert "It is tried again when" in refused

    assert "no identified profile" in connected.why("nobody").now[0].said
    assert "no key: the profile has no $email" in connected.why("plain").now[0].said
    stranger = connected.why("stranger", sync="loyal-news")
    assert not stranger.was_in_a_run
    assert "`hub cohort explain loyal stranger` says why" in stranger.now[0].said


def _profile(folder, name):
    path = folder / f"profile-{name}.jsonl"
    path.write_text(json.dumps({"$distinct_id": name, "$set": {"plan": "pro"}}) + "\n")
    return path


def _link(folder, device, user):
    path = folder / "link.jsonl"
    properties = {"$device_id": device, "$user_id": user, "distinct_id": user, "time": 1_767_300_000, "$insert_id": "l"}
    path.write_text(json.dumps({"event": "Sign In", "properties": properties}) + "\n")
    return path
