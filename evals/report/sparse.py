"""The sparse setting beside retrieval with counts: as good, for how much of the prompt?"""

from __future__ import annotations

from collections.abc import Sequence

from persona_agent.evals.arms.sparse import SPARSE
from persona_agent.evals.report.gains import points
from persona_agent.evals.report.tables import ABSENT, Table, labels_of, online_tokens
from persona_agent.evals.scores.pooling import Gain, compare_pooled
from persona_agent.evals.scores.results import EvalResult
from persona_agent.persona.render import estimate_tokens
from persona_agent.prompts import DECIDE, DECIDE_BRIEF

RIVAL = "rag+stats"
MARGIN = 0.02
"""Loss by which the sparse setting may be worse and still count as no worse."""

SPARSE_TEXT = (
    f"{SPARSE} recalls at most one episode and asks in few words. It counts as no worse than "
    f"{RIVAL} where the 95 % interval of the gain lies above {-100 * MARGIN:g} points. The last "
    f"column is the share there would be if {RIVAL} were asked in as few words."
)


def sparse_table(results: Sequence[EvalResult], tested: Sequence[EvalResult]) -> Table:
    """Return gain and share of tokens on every set that has both arms; no rows without any.

    Args:
        results: with the number of queries that their usage is shared among.
        tested: the same evaluations with the queries that are scored.
    """
    rows = []
    for label, whole, scored in zip(labels_of(results), results, tested, strict=True):
        for gain in compare_pooled([scored], [(SPARSE, RIVAL)]):
            rows.append((label, points(gain), _verdict(gain), *_tokens(whole)))
    columns = (
        "data set",
        "gain in points",
        "no worse",
        "prompt tokens",
        f"of {RIVAL}",
        "share",
        "share, both asked briefly",
    )
    return Table(f"{SPARSE} against {RIVAL}", columns, tuple(rows))


def _verdict(gain: Gain) -> str:
    if gain.ci95 is None:
        return ABSENT
    return "yes" if gain.ci95[0] > -MARGIN else "not shown"


def _tokens(result: EvalResult) -> tuple[str, str, str, str]:
    lean, rich = online_tokens(result, SPARSE), online_tokens(result, RIVAL)
    saved = estimate_tokens(DECIDE.text) - estimate_tokens(DECIDE_BRIEF.text)
    alike = f"{lean / (rich - saved):.0%}" if rich > saved else ABSENT
    share = f"{lean / rich:.0%}" if rich else ABSENT
    return f"{lean:.0f}", f"{rich:.0f}", share, alike
