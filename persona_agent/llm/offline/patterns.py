"""What a set of cases shows, by counting: the raw material of drafted claims and edits.

A pattern is a claim in waiting: its scope and text as they would be written, the cases that show
it, and those of its scope that do not.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from persona_agent.llm.offline.choices import feature_claims
from persona_agent.llm.offline.manner import MANNERS, is_prose, manners, without_marks
from persona_agent.llm.offline.terms import distinctive, segments, words
from persona_agent.persona.render import quoted
from persona_agent.prompts import Case
from persona_agent.schema import Section, task_kind

SCOPE_WORDS = 5
LONGEST_LABEL = 60
PHRASES = 4
OFTEN = 1 / 6
"""Least share of the cases that makes an outcome a habit: what came twice among many did not."""


@dataclass(frozen=True)
class Pattern:
    """One regularity: ``support`` names the cases that show it, ``contrary`` those that do not.

    ``against`` is what speaks against it: the contrary cases, or options of theirs.
    """

    section: Section
    scope: str
    text: str
    support: tuple[str, ...]
    contrary: tuple[str, ...] = ()
    options_against: int = 0

    @property
    def against(self) -> int:
        """How much speaks against it."""
        return max(len(self.contrary), self.options_against)

    @property
    def strength(self) -> tuple[float, int]:
        """Sort key: share of the cases in scope that agree (smoothed), then their number."""
        agreeing = len(self.support)
        return ((agreeing + 1) / (agreeing + self.against + 2), agreeing)


def find_patterns(cases: Sequence[Case]) -> list[Pattern]:
    """Return the patterns of all tasks, strongest first."""
    by_task: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        by_task[case.task].append(case)
    found: list[Pattern] = []
    for group in by_task.values():
        outcomes = [case.outcome for case in group]
        if all(_is_number(outcome) for outcome in outcomes):
            found.extend([*_usual(group, "rates"), *_ratings(group)])
        elif fmean(map(len, outcomes)) <= LONGEST_LABEL and len(set(outcomes)) < len(outcomes):
            found.extend([*_usual(group, "chooses"), *_labels(group)])
        elif any(len(case.options) > 1 for case in group):
            found.extend(_choices(group))
    return sorted(found, key=lambda pattern: pattern.strength, reverse=True)


def _is_number(text: str) -> bool:
    return task_kind((text,)) == "rating"


def _about(terms: Sequence[str]) -> str:
    return "when it is about " + ", ".join(terms)


def _usual(cases: Sequence[Case], verb: str) -> list[Pattern]:
    """The most frequent outcomes, where they are frequent, and clearly more so than others."""
    counts = Counter(case.outcome for case in cases)
    fair = max(2.0, 1.5 * len(cases) / len(counts), OFTEN * len(cases))
    return [
        Pattern(
            section=Section.DECISION_HABITS,
            scope="",
            text=f"often {verb} {quoted(label)}",
            support=tuple(case.episode_id for case in cases if case.outcome == label),
        )
        for label, count in counts.most_common(3)
        if count >= fair
    ]


def _labels(cases: Sequence[Case]) -> list[Pattern]:
    """For each recurring label: what sets the queries apart that got it."""
    found = []
    bags = [words(case.query) for case in cases]
    for label, count in Counter(case.outcome for case in cases).items():
        if count < 2:
            continue
        inside = [bag for bag, case in zip(bags, cases, strict=True) if case.outcome == label]
        outside = [bag for bag, case in zip(bags, cases, strict=True) if case.outcome != label]
        terms = [term for term, _ in distinctive(inside, outside, most=SCOPE_WORDS)]
        if not terms:
            continue
        hit = [
            (case, case.outcome == label)
            for bag, case in zip(bags, cases, strict=True)
            if bag & set(terms)
        ]
        found.append(
            Pattern(
                section=Section.PREFERENCES,
                scope=_about(terms),
                text=f"chooses {quoted(label)}",
                support=tuple(case.episode_id for case, agrees in hit if agrees),
                contrary=tuple(case.episode_id for case, agrees in hit if not agrees),
            )
        )
    return [pattern for pattern in found if len(pattern.support) >= 2]


def _ratings(cases: Sequence[Case]) -> list[Pattern]:
    """What sets the items apart that are rated above, or below, the usual."""
    scores = [float(case.outcome) for case in cases]
    usual = fmean(scores)
    bags = [words(case.query) for case in cases]
    found = []
    for sign in (1, -1):
        inside = [
            bag for bag, score in zip(bags, scores, strict=True) if sign * (score - usual) > 0
        ]
        outside = [
            bag for bag, score in zip(bags, scores, strict=True) if sign * (score - usual) <= 0
        ]
        for term, _ in distinctive(inside, outside, most=SCOPE_WORDS, at_least=3):
            hit = [n for n, bag in enumerate(bags) if term in bag]
            level = median(scores[n] for n in hit)
            if sign * (level - usual) < 0.4:
                continue
            agreeing = [n for n in hit if sign * (scores[n] - usual) > 0]
            found.append(
                Pattern(
                    section=Section.PREFERENCES,
                    scope=_about([term]),
                    text=f"rates it around {quoted(f'{level:.0f}')}",
                    support=tuple(cases[n].episode_id for n in agreeing),
                    contrary=tuple(cases[n].episode_id for n in hit if n not in agreeing),
                )
            )
    return found


def _choices(cases: Sequence[Case]) -> list[Pattern]:
    """Which words, manners or listed features stand in what was chosen, which in what was not."""
    shown = [case for case in cases if len(case.options) > 1 and case.outcome in case.options]
    if shown and all(segments(option) for case in shown for option in case.options):
        return [
            Pattern(Section.PREFERENCES, "", text, support, contrary)
            for text, support, contrary in feature_claims(shown)
        ]
    chosen = [_features(case.outcome) for case in shown]
    left = [[_features(o) for o in case.options if o != case.outcome] for case in shown]
    rejected = [bag for bags in left for bag in bags]
    liked = [term for term, _ in distinctive(chosen, rejected, most=2 * PHRASES)]
    avoided = [term for term, _ in distinctive(rejected, chosen, most=2 * PHRASES, at_least=3)]
    ids = [case.episode_id for case in shown]

    def taken_in(term: str) -> list[str]:
        return [id_ for id_, bag in zip(ids, chosen, strict=True) if term in bag]

    def left_in(term: str) -> list[str]:
        return [
            id_ for id_, bags in zip(ids, left, strict=True) if any(term in bag for bag in bags)
        ]

    found = []
    for term in liked:
        against = sum(term in bag for bag in rejected)
        found.append(_leaning("prefers", term, taken_in(term), left_in(term), against))
    for term in avoided:
        against = sum(term in bag for bag in chosen)
        found.append(_leaning("avoids", term, left_in(term), taken_in(term), against))
    return found


def _leaning(
    verb: str, term: str, support: Sequence[str], against: Sequence[str], options: int
) -> Pattern:
    """Return a pattern; where both kinds of options were on offer a case says nothing against."""
    contrary = tuple(one for one in against if one not in support)
    section = Section.STYLE if term in MANNERS else Section.VALUES
    what = term if term in MANNERS else f"has {quoted(term)}"
    return Pattern(section, "", f"{verb} what {what}", tuple(support), contrary, options)


def _features(option: str) -> set[str]:
    """Return what an option lists, or its telling words and its manner."""
    if listed := segments(option):
        return listed
    if not is_prose(option):
        return words(option)
    return {word for word in words(without_marks(option)) if "'" not in word} | manners(option)
