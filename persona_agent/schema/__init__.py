"""The words of the project as data: episode, fact, claim, persona, edit, revision, usage."""

from persona_agent.schema.episode import (
    Episode,
    EpisodeId,
    Feedback,
    Query,
    Recalled,
    TaskKind,
    UserId,
    new_id,
    task_kind,
)
from persona_agent.schema.fact import SAID, Fact
from persona_agent.schema.persona import (
    Alternative,
    Claim,
    ContextPolicy,
    Demonstration,
    Persona,
    RecallBlend,
    Section,
    TaskStatistics,
)
from persona_agent.schema.revision import (
    FINAL,
    Edit,
    EditOperation,
    GateResult,
    Noise,
    Revision,
    TermMeans,
    Terms,
    Trial,
)
from persona_agent.schema.usage import Usage

__all__ = [
    "FINAL",
    "SAID",
    "Alternative",
    "Claim",
    "ContextPolicy",
    "Demonstration",
    "Edit",
    "EditOperation",
    "Episode",
    "EpisodeId",
    "Fact",
    "Feedback",
    "GateResult",
    "Noise",
    "Persona",
    "Query",
    "RecallBlend",
    "Recalled",
    "Revision",
    "Section",
    "TaskKind",
    "TaskStatistics",
    "TermMeans",
    "Terms",
    "Trial",
    "Usage",
    "UserId",
    "new_id",
    "task_kind",
]
