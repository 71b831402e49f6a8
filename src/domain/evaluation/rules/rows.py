"""Rules about data that are missing: too few rows, levels and columns that are gone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from weighbridge.domain.evaluation.rules.rule import (
    RULE_ALPHA,
    BaselineRule,
    Evidence,
    Finding,
    FindingLevel,
    LeveledRule,
    conclude,
)
from weighbridge.domain.statistics.column_summaries import CategorySummary
from weighbridge.domain.statistics.significance import binomial_p

if TYPE_CHECKING:
    from weighbridge.domain.statistics.column_summaries import ColumnSummary
    from weighbridge.domain.statistics.summaries import Statistics


@dataclass(frozen=True, slots=True)
class FewRows(LeveledRule):
    """Fewer rows in all than the levels name.

    By default 100, below which a test part of a fifth has fewer than 20 rows and an r2 of 0.9 a standard error
    of about 0.05, and 30.
    """

    name = "too few rows"
    is_shortage = True

    warning: float | None = 100
    error: float | None = 30

    def inspect(self, evidence: Evidence) -> Finding:
        """Count."""
        rows = evidence.statistics.rows
        said = f"there are {rows} rows"
        return conclude(self.name, [(self.grade(rows), said)], said, {"rows": float(rows)})


@dataclass(frozen=True, slots=True)
class FewRowsPerLevel(LeveledRule):
    """A level, of a feature or of the target, with fewer rows than the levels name.

    By default 5, below which a test part of a fifth has not one of them, and 2, without which no split can have
    one on either side.

    Levels that the live release's data had as well are left to ``LevelsAgainstLive``: a rare level that was
    released once is not news. Levels without
    any row are not looked for here: nothing is learnt of them, and nothing wrong.
    """

    name = "too few rows of a level"
    is_shortage = True

    warning: float | None = 5
    error: float | None = 2

    def inspect(self, evidence: Evidence) -> Finding:
        """Count level by level."""
        live = _categories(evidence.live_statistics)
        items, least = [], None
        for name, column in _categories(evidence.statistics).items():
            known = live[name].counts if name in live else {}
            for level, count in column.counts.items():
                if level not in known:
                    said = f"{count} {'row' if count == 1 else 'rows'} where '{name}' is {level}"
                    items.append((self.grade(count), said))
                    least = count if least is None else min(least, count)
        fine = "no new level" if least is None else f"the rarest level has {least} rows"
        return conclude(self.name, items, fine, {} if least is None else {"least": float(least)})


@dataclass(frozen=True, slots=True)
class RowsAgainstLive(BaselineRule):
    """The dataset has fewer rows than a share of the live release's; the measure is that share."""

    name = "fewer rows than the live release"
    is_shortage = True

    warning: float | None = 0.5
    error: float | None = 0.1

    def compare(self, live: Statistics, now: Statistics) -> Finding:
        """Compare the counts of rows."""
        share = now.rows / live.rows
        said = f"there are {now.rows} rows; the live release has {live.rows}"
        return conclude(self.name, [(self.grade(share), said)], said, {"share": share})


@dataclass(frozen=True, slots=True)
class LevelsAgainstLive(BaselineRule):
    """A level, of a feature or of the target, has lost its share of the rows, or is gone.

    The measure is how much of its share in the live release's data is lost: 1 for a level that is gone.
    """

    name = "level vanished"

    warning: float | None = 0.5
    error: float | None = 0.9
    alpha: float = RULE_ALPHA

    def compare(self, live: Statistics, now: Statistics) -> Finding:
        """Compare level by level, at ``alpha`` over all of them."""
        earlier_columns, columns = _categories(live), _categories(now)
        shared = [
            (name, level) for name in earlier_columns if name in columns for level in earlier_columns[name].counts
        ]
        items: list[tuple[FindingLevel, str]] = []
        values: dict[str, float] = {}
        for name, level in shared:
            before, after = earlier_columns[name], columns[name]
            count, earlier = after.counts.get(level, 0), before.counts[level]
            lost = 1 - count / after.rows / (earlier / before.rows)
            # Given the rows of this level in both together, how they would fall to the two by chance.
            chance = binomial_p(count, count + earlier, after.rows / (after.rows + before.rows))
            values[f"{name}: {level}"] = lost
            if chance * len(shared) < self.alpha:
                said = (
                    f"'{name}' is {level} in {count} of {after.rows} rows; before, in {earlier} of {before.rows}"
                )
                items.append((self.grade(lost), said))
        return conclude(self.name, items, "every level has kept its share of the rows", values)


@dataclass(frozen=True, slots=True)
class LostColumns(LeveledRule):
    """Columns that the live release has are gone or constant; the measure is how many.

    A feature that is constant with no live release to compare with is a warning at most: it tells nothing.
    """

    name = "column vanished or constant"

    warning: float | None = None
    error: float | None = 1
    alpha: float = RULE_ALPHA

    def inspect(self, evidence: Evidence) -> Finding:
        """Look at every column, at ``alpha`` over all of them."""
        now = _columns(evidence.statistics)
        constant = [name for name, column in now.items() if column.distinct < 2]
        if evidence.live_statistics is None:
            return self._without_live(constant, now)
        live = _columns(evidence.live_statistics)
        gone = [name for name in live if name not in now]
        stuck = [
            name
            for name in constant
            if name in live
            and live[name].distinct > 1
            and binomial_p(now[name].rows, now[name].rows, live[name].commonest) * len(now) < self.alpha
        ]
        said = [f"'{name}' is gone" for name in gone]
        said += [f"'{name}' has one value in all rows and had {live[name].distinct}" for name in stuck]
        level = self.grade(len(said))
        fine = "every column is there and varies"
        return conclude(self.name, [(level, "; ".join(said))], fine, {"columns": float(len(said))})

    def _without_live(self, constant: list[str], now: dict[str, ColumnSummary]) -> Finding:
        level = self.grade(len(constant))
        level = FindingLevel.OK if level is FindingLevel.OK else FindingLevel.WARNING
        said = "; ".join(f"'{name}' has one value in all {now[name].rows} rows" for name in constant)
        return conclude(self.name, [(level, said)], "every column varies", {"columns": float(len(constant))})


def _columns(statistics: Statistics) -> dict[str, ColumnSummary]:
    return {**statistics.features, statistics.target_name: statistics.target}


def _categories(statistics: Statistics | None) -> dict[str, CategorySummary]:
    columns = {} if statistics is None else _columns(statistics)
    return {name: column for name, column in columns.items() if isinstance(column, CategorySummary)}
