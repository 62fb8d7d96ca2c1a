"""Ten questions about people: in words, as the hub's text, and as DuckDB SQL written by hand over the same files.

"Now" is the end of the data; a window "the last N days" is now - N days <= time <= now. The SQL knows what the hub
knows of its tables: whose an id is, that the newest row of a profile counts, and that what was set on a device before
it was somebody's stays with the device. It reads the months that a window touches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from hub.clock import utc_months


@dataclass(frozen=True)
class Question:
    """One question: its name as a cohort, and in words and text."""

    name: str
    words: str
    text: str


QUESTIONS = (
    Question("1", "Add to Cart at least 3 times in 30 days", 'did "Add to Cart" at least 3 times in last 30 days'),
    Question(
        "2",
        "a profile, and no Purchase in 90 days",
        'user.country is set and did not do "Purchase" in last 90 days',
    ),
    Question("3", "the first Purchase ever in 14 days", 'did "Purchase" in last 14 days for the first time'),
    Question("4", "Purchases for more than 200 in 90 days", 'did "Purchase" sum of amount > 200 in last 90 days'),
    Question(
        "5",
        "Add to Cart, then Purchase within 7 days, in 60 days",
        'did "Add to Cart" then "Purchase" within 7 days in last 60 days',
    ),
    Question(
        "6",
        "a profile with four tests",
        'user.country in ("NO", "SE", "DK") and user.plan != "free" and user.ltv > 100 '
        "and user.$last_seen in the last 365 days",
    ),
    Question(
        "7",
        "Page View with three tests, twice in 90 days",
        'did "Page View" where $os = "iOS" and $city in ("Oslo", "Bergen") and duration >= 300 '
        "at least 2 times in last 90 days",
    ),
    Question(
        "8",
        "a profile, and a mixture of and / or",
        'user.country is set and ((did "Purchase" in last 90 days and user.plan = "pro") or '
        '(did "Search" at least 5 times in last 30 days and did not do "Unsubscribed" and '
        '(user.newsletter = true or user.country = "US")))',
    ),
    Question("9", "App Open on at least 5 days in 30 days", 'did "App Open" at least 5 days in last 30 days'),
    Question(
        "10",
        "in 1, not in 4, Message Opened; or in 6",
        '(in cohort "1" and not in cohort "4" and did "Message Opened" in last 30 days) or in cohort "6"',
    ),
)


@dataclass(frozen=True)
class ByHand:
    """The files of a lake without a tail, and when now is."""

    events: Sequence[str]
    profiles: Sequence[str]
    identity: Sequence[str]
    now: datetime

    def sql(self, name: str) -> str:
        """The people of a question: one column, each once."""
        return {
            "1": self._one(),
            "2": f"""
                select person from ({self._profiles("strings['country'] is not null")}) as profiles
                anti join ({self._did("Purchase", 90)}) as bought using (person)""",
            "3": f"""
                select person from ({self._did("Purchase", None, "time")}) group by person
                having min(time) >= {self._ago(14)}""",
            "4": self._four(),
            "5": f"""
                select distinct person from ({self._did("Add to Cart", 60, "time")}) as carts
                semi join (select person as buyer, time as bought from ({self._did("Purchase", 60, "time")})) as later
                    on person = buyer and bought > time and bought <= time + interval 168 hour""",
            "6": self._six(),
            "7": f"""
                select person from ({
                self._did(
                    "Page View",
                    90,
                    where='''
                    strings['$os'] = 'iOS' and strings['$city'] in ('Oslo', 'Bergen')
                    and numbers['duration'] >= 300''',
                )
            }) group by person having count(*) >= 2""",
            "8": f"""
                select profiles.person from ({
                self._profiles(
                    "strings['country'] is not null",
                    '''strings['plan'] as plan, strings['country'] as country, booleans['newsletter'] as newsletter''',
                )
            }) as profiles
                left join (select distinct person, true as here from ({self._did("Purchase", 90)})) as bought
                    using (person)
                left join (
                    select person, true as here from ({self._did("Search", 30)}) group by person having count(*) >= 5
                ) as searched using (person)
                left join (select distinct person, true as here from ({self._did("Unsubscribed", None)})) as gone
                    using (person)
                where (bought.here and plan = 'pro')
                    or (searched.here and gone.here is null and (newsletter or country = 'US'))""",
            "9": f"""
                select person from ({self._did("App Open", 30, "epoch_us(time) // 86400000000 as day")})
                group by person having count(distinct day) >= 5""",
            "10": f"""
                select person from ({self._one()})
                semi join ({self._did("Message Opened", 30)}) as opened using (person)
                anti join ({self._four()}) as spent using (person)
                union select person from ({self._six()})""",
        }[name]

    def _one(self) -> str:
        return f"select person from ({self._did('Add to Cart', 30)}) group by person having count(*) >= 3"

    def _four(self) -> str:
        amounts = self._did("Purchase", 90, "numbers['amount'] as amount")
        return f"select person from ({amounts}) group by person having sum(amount) > 200"

    def _six(self) -> str:
        return self._profiles(
            f"""strings['country'] in ('NO', 'SE', 'DK') and strings['plan'] is distinct from 'free'
                and numbers['ltv'] > 100 and times['$last_seen'] between {self._ago(365)} and {self._ago(0)}"""
        )

    def _did(self, event: str, days: int | None, columns: str = "", where: str = "true") -> str:
        """Who did an event in the last days (None: ever), once for each time, with some columns."""
        since = "true" if days is None else f"time >= {self._ago(days)}"
        months = None if days is None else {*utc_months(self.now - timedelta(days=days), self.now)}
        files = [file for file in self.events if months is None or file.split("month=")[1][:7] in months]
        return f"""
            select coalesce(owner, distinct_id) as person{f", {columns}" if columns else ""}
            from read_parquet({files}) left join ({self._owners()}) on distinct_id = id
            where event = '{event}' and {since} and time <= {self._ago(0)} and {where}"""

    def _profiles(self, where: str, columns: str = "") -> str:
        """The people with a profile for whom a condition holds, with some columns."""
        return f"""
            select distinct_id as person{f", {columns}" if columns else ""} from read_parquet({self.profiles})
            semi join (
                select distinct_id, max(seq) as seq from read_parquet({self.profiles}) group by distinct_id
            ) using (distinct_id, seq)
            where not deleted and distinct_id not in (select id from ({self._owners()})) and {where}"""

    def _owners(self) -> str:
        return f"select id, person as owner from read_parquet({self.identity}) where known_to is null"

    def _ago(self, days: int) -> str:
        return f"timestamptz '{self.now - timedelta(days=days)}'"
