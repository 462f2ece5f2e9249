"""From figures to words. The rules are fixed here, before any data is seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from persona_agent.evals.atlas.findings import SPACES, Finding, Kind
from persona_agent.evals.atlas.grouping import STABLE
from persona_agent.evals.atlas.records import Space

ALPHA = 0.05 / len(SPACES)
"""Two spaces are looked at, so that each has to pass half of 5 % (Bonferroni)."""
CLEAR = 0.75
WEAK = 0.6
MANY_SILENT = 0.2
FEW_USERS = 20

PLACES: Mapping[Space, str] = {
    "claims": "what they claim",
    "behaviour": "what they answer to the same questions",
}
Found = Mapping[tuple[Kind, Space], Finding]


def conclude(
    findings: Sequence[Finding], users: int
) -> tuple[tuple[Space, ...], tuple[Space, ...], tuple[str, ...]]:
    """Return the spaces with structure, those whose clusters hold, and the verdict in words.

    Structure in a space: p of the exchange of users below 2.5 % (two spaces share 5 %), the
    interval of own AUC above 0.5, and the interval of its gain over shuffled histories above 0.
    Clusters: structure, found again on the other half with p below 2.5 %, and a bootstrap
    agreement of at least 0.6.
    """
    by = {(one.kind, one.space): one for one in findings}
    structure = tuple(space for space in SPACES if has_structure(by["learned", space]))
    clusters = tuple(space for space in structure if has_clusters(by["learned", space]))
    words = [_headline(by, structure, users)]
    words += [_space(by, space, space in structure) for space in SPACES]
    words += [_clusters(by["learned", space], space, space in clusters) for space in structure]
    words.append(_nulls(by))
    silent = by["learned", "claims"].silent
    if silent > MANY_SILENT:
        words.append(
            f"{silent:.0%} of the personas that were learned from one half have no claim: in their "
            "claims they count as equally far from everybody. Longer histories would show more."
        )
    if users < FEW_USERS:
        words.append(f"{users} users are few: intervals are wide, and groups can hardly show.")
    return structure, clusters, tuple(words)


def has_structure(finding: Finding) -> bool:
    """Tell whether personas are their users' own in a space."""
    found = finding.separation
    sure = found.own_auc_ci95 is not None and found.own_auc_ci95[0] > 0.5
    return found.p < ALPHA and sure and finding.gain[1] > 0


def has_clusters(finding: Finding) -> bool:
    """Tell whether groups found on one half come back on the other."""
    found = finding.replication
    return found.p < ALPHA and found.bootstrap is not None and found.bootstrap >= STABLE


def _headline(by: Found, structure: Sequence[Space], users: int) -> str:
    if not structure:
        return (
            "No structure. Nothing shows that personas of one user, learned from different "
            "episodes, are more alike than those of different users."
        )
    best = max((by["learned", space].separation for space in structure), key=lambda s: s.own_auc)
    ci95 = best.own_auc_ci95 or (0.0, 1.0)
    clear = ci95[0] > CLEAR and users >= FEW_USERS  # a bootstrap over a few users is too sure
    strength = "Clear" if clear else "Weak" if best.own_auc < WEAK else "Some"
    where = " and ".join(PLACES[space] for space in structure)
    return f"{strength} structure. Personas are their users' own, in {where}."


def _space(by: Found, space: Space, structure: bool) -> str:
    found = by["learned", space].separation
    low, high = found.own_auc_ci95 or (0.0, 1.0)
    text = (
        f"In {PLACES[space]}, a user's other persona is nearer than another user's in "
        f"{found.own_auc:.0%} of comparisons (95 % interval {low:.0%} to {high:.0%}, guessing "
        f"50 %, p = {found.p:.4f}), and the nearest of all for {found.retrieval:.0%} (guessing "
        f"{found.chance:.0%})."
    )
    if structure:
        return f"{text} {_subject(by, space)}"
    if found.p < ALPHA:
        return f"{text} That is not surely more than with shuffled histories."
    return text


def _subject(by: Found, space: Space) -> str:
    """Say whether it is what users choose, or only what they are asked about."""
    asked = by["outcomes shuffled", space]
    ours, theirs = by["learned", space].separation.own_auc, asked.separation.own_auc
    if not has_structure(asked):
        return f"It lies in what users choose: with outcomes exchanged it is gone ({theirs:.0%})."
    much = "Much" if theirs >= ours - 0.02 else "Part"
    return (
        f"{much} of it may lie in what users are asked about: with outcomes exchanged it is "
        f"{theirs:.0%}."
    )


def _clusters(finding: Finding, space: Space, hold: bool) -> str:
    found = finding.replication
    if found.across_halves is None or found.bootstrap is None:
        return f"In {PLACES[space]}, too little is known of the users to look for groups."
    shape = "none" if found.silhouette is None else f"{found.silhouette:.2f}"
    figures = (
        f"agreement on the other half {found.across_halves:.2f} (p = {found.p:.3f}), under the "
        f"bootstrap {found.bootstrap:.2f}, silhouette {shape}"
    )
    where = PLACES[space]
    if hold:
        return f"Clusters in {where} hold: they come back on other episodes; {figures}."
    if found.p < ALPHA:
        return (
            f"Clusters in {where} are regions of a continuum: users stay near where they were, but "
            f"the borders move; {figures}."
        )
    return f"Clusters in {where} do not hold: do not read colours as groups; {figures}."


def _nulls(by: Found) -> str:
    parts = []
    for space in SPACES:
        null = by["histories shuffled", space].separation
        parts.append(
            f"{null.own_auc:.0%} in {PLACES[space]} (p = {null.p:.4f}, retrieval "
            f"{null.retrieval:.0%})"
        )
    initial = by["initial", "claims"].separation.own_auc
    return (
        f"Nulls: with histories shuffled between users {' and '.join(parts)}; with initial "
        f"personas, which are all alike, {initial:.0%}."
    )
