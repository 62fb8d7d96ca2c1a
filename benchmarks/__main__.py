"""`python -m benchmarks` (`make bench`): every measurement, one after the other."""

from __future__ import annotations

import platform

from benchmarks import cohort_query, import_events, start_up
from hub_mailchimp.sandbox.bench import benchmark


def main() -> None:
    """Print the machine, then each measurement."""
    print(f"{platform.machine()}, Python {platform.python_version()}, {platform.system()} {platform.release()}")
    start_up.main()
    import_events.main([])
    cohort_query.main()
    print(f"sandbox Mailchimp: {benchmark()}")


if __name__ == "__main__":
    main()
