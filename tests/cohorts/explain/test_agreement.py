"""Random definitions over random data: what explains one person says of everybody what the engine says."""

from __future__ import annotations

import os
from datetime import datetime

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from hub.cohorts.edges import MICROSECOND
from hub.cohorts.explain.explaining import explain
from hub.cohorts.members import evaluate
from hub.cohorts.question import Question
from hub.cohorts.reading import stored_definition
from hub.cohorts.references import closure
from tests.cohorts.test_against_brute_force import CLAUSES, COHORTS, NOW, World

EXAMPLES = int(os.environ.get("EXPLAIN_EXAMPLES", "4"))
"""Of each world. More of them by hand, now and then: EXPLAIN_EXAMPLES=2000."""

WORLDS = [(4, "Europe/Oslo", "simplified"), (5, "America/New_York", "original")]


@pytest.fixture(scope="module", params=WORLDS, ids=str)
def world(request, tmp_path_factory):
    seed, timezone, identity = request.param
    home = tmp_path_factory.mktemp("world") / "home"
    # what is said of the future supposes that nothing else happens
    made = World(home, seed, timezone=timezone, identity=identity, until=NOW)
    with made.workspace.reading() as reader:
        made.reader = reader
        yield made


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(clause=CLAUSES, cohorts=st.fixed_dictionaries(COHORTS), data=st.data())
def test_an_explanation_agrees_with_the_engine_now_and_at_the_instants_that_it_names(world, clause, cohorts, data):
    definitions = {name: _definition(inner) for name, inner in cohorts.items()}
    definition = _definition(clause)
    named = closure(definition, definitions.__getitem__)
    people = _people(world, definition, named, NOW)
    everybody = sorted({row.person for row in world.data.events} | {row.distinct_id for row in world.data.profiles})
    picked = data.draw(st.lists(st.sampled_from(everybody), min_size=4, max_size=4, unique=True))
    question = Question(definition, NOW, named)
    explained = [(asked, explain(world.reader, world.workspace.project, question, asked)) for asked in picked]
    for asked, found in explained:
        assert found is not None or asked not in people
        assert found is None or found.member == (found.person in people), asked
    known = [found for _, found in explained if found]
    turning = next((each for each in known if each.until.at), known[0] if known else None)
    if turning is None:
        return
    assert turning.since.known and turning.until.known
    for at in (turning.since.at, turning.until.at):
        if at is not None:
            after, before = (_people(world, definition, named, when) for when in (at, at - MICROSECOND))
            assert (turning.person in after) != (turning.person in before), (turning, at)
    # nothing changes by itself before the instant that is told
    later = NOW + data.draw(st.sampled_from([1, 40, 100_000, 10_000_000])) * 1_000_003 * MICROSECOND
    if turning.until.at is None or later < turning.until.at:
        assert (turning.person in _people(world, definition, named, later)) == turning.member, (turning, later)


def _people(world: World, definition, named, now: datetime) -> set[str]:
    expression = evaluate(world.reader, world.workspace.project, Question(definition, now, named))
    return {person for batch in world.reader.batches(expression) for person in batch.column("person").to_pylist()}


def _definition(clause):
    return stored_definition({"version": 1, **clause}, name="random")
