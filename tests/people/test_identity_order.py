"""Any order of arrival, in whatever batches, gives the same people and the same canonical ids, in both systems."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from hub.clock import now
from hub.people.identity import Link
from hub.people.identity_known import _known
from hub.people.identity_links import impossible, is_anonymous
from hub.store.tables import identity_links
from tests.lake_rows import make_workspace
from tests.people.telling import another_project, learn, people, published, uuid

NAMES = ["a", "b", "c", "d"]
UUIDS = [uuid(number) for number in range(4)]
TIMES = st.integers(0, 20)
IDENTITY_LINKS = st.lists(
    st.one_of(
        st.builds(Link, st.just("identify"), st.sampled_from(NAMES + UUIDS[:2]), st.sampled_from([*UUIDS, "a"]), TIMES),
        st.builds(Link, st.just("alias"), st.sampled_from(NAMES + UUIDS[:2]), st.sampled_from(NAMES + UUIDS), TIMES),
        st.builds(
            lambda pair, time: Link("merge", *sorted(pair), time),
            st.tuples(st.sampled_from(NAMES + UUIDS), st.sampled_from(NAMES + UUIDS)),
            TIMES,
        ),
    ),
    min_size=1,
    max_size=20,
)
DEVICE_LINKS = st.lists(
    st.builds(Link, st.just("device"), st.sampled_from(["$device:1", "$device:2"]), st.sampled_from(NAMES), TIMES),
    min_size=1,
    max_size=12,
)
SIZES = st.lists(st.integers(1, 6), min_size=20, max_size=20)
MODEST = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("order") / "home", identity="original")


@pytest.fixture(scope="module")
def simplified(tmp_path_factory):
    return make_workspace(tmp_path_factory.mktemp("order") / "home", identity="simplified")


def _by_hand(links, limit):
    """Original ID merge by its rules alone: all links from the beginning, in their order."""
    earliest: dict[tuple[str, str, str], Link] = {}
    for link in links:
        if link.time < earliest.get(link.pair, link._replace(time=link.time + 1)).time:
            earliest[link.pair] = link
    sets: dict[str, frozenset[str]] = {}
    aliases, joined = set(), []
    for link in sorted(earliest.values(), key=lambda link: link.place):
        one, other = (sets.get(end, frozenset([end])) for end in (link.one, link.other))
        taken = (link.kind == "identify" and len(other) > 1) or (link.kind == "alias" and link.other in aliases)
        if impossible(link) or link.one in other or taken or len(one) + len(other) > limit:
            continue
        sets.update(dict.fromkeys(one | other, one | other))
        joined.append(link)
        if link.kind == "alias":
            aliases.add(link.other)
    preferred = {link.one for link in joined if link.kind != "merge"}
    since = {one: min(each.time for each in joined if one in (each.one, each.other)) for one in sets}

    def canonical(cluster):
        return min(cluster, key=lambda one: (one not in preferred, is_anonymous(one), since[one], one))

    found = {one: canonical(cluster) for one, cluster in sets.items()}
    return {one: person for one, person in found.items() if one != person}, {link.pair for link in joined}


def _arrive(workspace, links, sizes, forget, **more):
    """Apply links in batches of these sizes; with `forget`, as a process would that begins anew each time."""
    for size in sizes:
        batch, links = links[:size], links[size:]
        learn(workspace, batch, **more)
        if forget:
            _known.pop(workspace.store.engine, None)
    learn(workspace, links, **more)


@MODEST
@given(links=IDENTITY_LINKS, sizes=SIZES, limit=st.sampled_from([2, 3, 4, 500]), forget=st.booleans(), data=st.data())
def test_original_identity_is_that_of_all_links_in_their_order(original, links, sizes, limit, forget, data):
    expected, joined = _by_hand(links, limit)

    for arrival in (links, data.draw(st.permutations(links))):
        hub = another_project(original)
        _arrive(hub, arrival, sizes, forget, limit=limit)

        assert people(hub) == expected
        this = (identity_links.c.project_id == hub.project.id, identity_links.c.failed == "")
        with hub.store.reading() as connection:
            rows = connection.execute(select(identity_links).where(*this)).all()
        assert {(row.kind, row.one, row.other) for row in rows} == joined


@MODEST
@given(links=DEVICE_LINKS, sizes=SIZES, forget=st.booleans(), data=st.data())
def test_a_device_is_that_of_its_first_user_in_any_order(simplified, links, sizes, forget, data):
    devices = {link.one for link in links}
    first = {device: min((link.time, link.other) for link in links if link.one == device)[1] for device in devices}
    used = {link.pair for link in links}

    for arrival in (links, data.draw(st.permutations(links))):
        hub = another_project(simplified)
        _arrive(hub, arrival, sizes, forget)

        assert people(hub) == first
        this = identity_links.c.project_id == hub.project.id
        with hub.store.reading() as connection:
            rows = connection.execute(select(identity_links).where(this)).all()
        assert {(row.kind, row.one, row.other) for row in rows} == {pair for pair in used if first[pair[1]] != pair[2]}


@settings(parent=MODEST, max_examples=4)
@given(links=IDENTITY_LINKS, publishing=st.lists(st.booleans(), min_size=4, max_size=4))
def test_what_was_known_at_an_instant_stays_what_was_known(original, links, publishing):
    hub = another_project(original)
    told = []
    for publish in publishing:
        learn(hub, links[:5], limit=4)
        links = links[5:]
        told.append((now(), people(hub)))
        if publish:
            assert published(hub) == people(hub)

    for at, then in told:
        assert published(hub, known_at=at) == then
    assert published(hub) == people(hub)
