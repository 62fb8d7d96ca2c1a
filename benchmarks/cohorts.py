"""Ten questions about people, against hand-written DuckDB SQL over the same files that names the same people.

    python -m benchmarks.cohorts [--quick] [--folder FOLDER] [--events N]

Sizes of 2, 6 and 20 million events (`--quick`: 2 million alone) of a twentieth as many people, compacted, made once in
FOLDER and kept there. Each ratio is of the best of several turns, taken one after the other in one connection: the
definition compiled and its people read out, beside the same for the SQL. Together: the ten counted at once, beside the
sum of each counted alone. Memory is the most that a process had which counted them together within a limit.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import TYPE_CHECKING

from benchmarks.generated_shop import NOW, generated
from benchmarks.ten_questions import QUESTIONS, ByHand
from hub.lake.tables import EVENTS, IDENTITY, PROFILES

if TYPE_CHECKING:
    import pyarrow as pa

    from hub.cohorts.question import Question
    from hub.lake.lake import Lake
    from hub.lake.reading import Reader

SIZES = (2_000_000, 6_000_000, 20_000_000)
TURNS = 5
LIMITS = ("2GiB", "512MiB")

Query = Callable[[], Iterator["pa.RecordBatch"]]


def main(arguments: list[str] | None = None) -> None:
    """Make the lakes, measure, print a table a size."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--events", type=int)
    parser.add_argument(
        "--memory", help=argparse.SUPPRESS
    )  # count them together within a limit, and print what it took
    asked = parser.parse_args(arguments)
    sizes = [asked.events] if asked.events else SIZES[:1] if asked.quick else SIZES
    with TemporaryDirectory() as passing:
        folder = asked.folder or Path(passing)
        for events in sizes:
            lake = generated(folder, events)
            if asked.memory:
                print(_most_memory(lake, asked.memory))
            else:
                _measured(lake, events, folder)


def _measured(lake: Lake, events: int, folder: Path) -> None:
    from hub.lake.reading import reading

    print(f"ten cohorts, {events:,} events:")
    with reading(lake) as reader:
        by_hand = ByHand(*(lake.files(layout) for layout in (EVENTS, PROFILES, IDENTITY)), NOW)
        total = [0.0, 0.0]
        for question in QUESTIONS:
            floor, ours = _of_hand(reader, by_hand.sql(question.name)), _of_hub(reader, question.name)
            people = _people(floor)
            assert people == _people(ours), f"question {question.name} has different people"
            timed = [(_seconds(floor), _seconds(ours)) for _ in range(TURNS)]
            best = min(one for one, _ in timed), min(other for _, other in timed)
            total = [before + now for before, now in zip(total, best, strict=True)]
            print(
                f"  {question.name:>2} {question.words:54} {len(people):>9,} people  by hand {best[0]:.3f} s, "
                f"hub {best[1]:.3f} s, ratio {best[1] / best[0]:.2f}"
            )
        print(f"     sum: by hand {total[0]:.3f} s, hub {total[1]:.3f} s, ratio {total[1] / total[0]:.2f}")
        alone, together = _counted(reader)
        print(f"     counted alone {alone:.3f} s, together {together:.3f} s, ratio {together / alone:.2f}")
    for limit in LIMITS:
        command = [sys.executable, "-m", "benchmarks.cohorts", "--folder", str(folder), "--events", str(events)]
        done = subprocess.run([*command, "--memory", limit], capture_output=True, text=True, check=True)
        print(f"     together within {limit}: {done.stdout.strip()}")


def _counted(reader: Reader) -> tuple[float, float]:
    """The seconds of counting each alone, and all together: the best of several turns."""
    from hub.cohorts.together import sizes

    project, questions = _project(), _questions()
    timed = []
    for _ in range(TURNS):
        spent, found = 0.0, []
        for question in questions.values():
            started = perf_counter()
            found += sizes(reader, project, [question])
            spent += perf_counter() - started
        started = perf_counter()
        assert sizes(reader, project, [*questions.values()]) == found
        timed.append((spent, perf_counter() - started))
    return min(one for one, _ in timed), min(other for _, other in timed)


def _most_memory(lake: Lake, limit: str) -> str:
    """Count the ten together within a limit; tells the time and the memory of this process in words."""
    from hub.cohorts.together import sizes
    from hub.lake.reading import reading

    with reading(lake, memory_limit=limit) as reader:
        sizes(reader, _project(), [*_questions().values()][:1])  # everything is imported
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started = perf_counter()
        sizes(reader, _project(), [*_questions().values()])
        seconds = perf_counter() - started
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return f"{seconds:.2f} s, {most / 1024:,.0f} MiB at most ({before / 1024:,.0f} MiB of them before)"


def _questions() -> dict[str, Question]:
    from hub.cohorts.question import Question
    from hub.cohorts.references import closure
    from hub.cohorts.text.reading import definition_of_text

    definitions = {question.name: definition_of_text(question.text) for question in QUESTIONS}
    return {
        name: Question(definition, NOW, closure(definition, definitions.__getitem__))
        for name, definition in definitions.items()
    }


def _of_hub(reader: Reader, name: str) -> Query:
    from hub.cohorts.members import evaluate

    question, project = _questions()[name], _project()
    return lambda: reader.batches(evaluate(reader, project, question))


def _of_hand(reader: Reader, query: str) -> Query:
    return lambda: iter(reader.backend.con.execute(query).to_arrow_reader(50_000))


def _project():
    from hub.workspace import Project

    return Project(1, "bench", "UTC", "simplified")


def _people(query: Query) -> set[str]:
    found = [person for batch in query() for person in batch.column(0).to_pylist()]
    assert len(found) == len(set(found)), "somebody is there twice"
    return set(found)


def _seconds(query: Query) -> float:
    started = perf_counter()
    for _ in query():
        pass
    return perf_counter() - started


if __name__ == "__main__":
    main()
