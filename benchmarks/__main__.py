"""`python -m benchmarks` (`make bench`): every measurement, one after the other."""

from __future__ import annotations

import platform

from benchmarks import cohort_query, cohorts, decoding, deduplication, identity, import_events, inbound, start_up
from benchmarks.syncing import __main__ as syncs
from hub_mailchimp.sandbox.bench import benchmark


def main() -> None:
    """Print the machine, then each measurement."""
    print(f"{platform.machine()}, Python {platform.python_version()}, {platform.system()} {platform.release()}")
    start_up.main()
    import_events.main([])
    decoding.main()
    cohort_query.main()
    cohorts.main([])
    deduplication.main()
    identity.main([])
    inbound.main(["--events", "200000", "--rounds", "1"])
    syncs.main(["--people", "200000", "--rounds", "2"])
    speed = benchmark()
    print(
        f"sandbox Mailchimp, requests/s of {speed.batch} members: {speed.tag:.0f} tagging, "
        f"{speed.upsert:.0f} upserting new contacts, {speed.upsert_again:.0f} upserting and tagging known ones"
    )


if __name__ == "__main__":
    main()
