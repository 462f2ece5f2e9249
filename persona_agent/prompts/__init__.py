"""Every use of a language model, as a typed prompt: a text file, an input and an output model."""

from persona_agent.prompts.answering import (
    DECIDE,
    DECIDE_BRIEF,
    RESPOND,
    DecideInputs,
    DecideOutput,
    RespondInputs,
    RespondOutput,
)
from persona_agent.prompts.catalog import all_prompts
from persona_agent.prompts.distilling import (
    DISTIL_FACTS,
    PROFILE,
    ConfirmedFact,
    DistilInputs,
    DistilledFact,
    DistilOutput,
    ProfileInputs,
    ProfileOutput,
)
from persona_agent.prompts.drafting import (
    DRAFT_PERSONA,
    DraftedClaim,
    DraftInputs,
    DraftOutput,
)
from persona_agent.prompts.editing import (
    CRITIQUE,
    PROPOSE_EDITS,
    CritiqueInputs,
    CritiqueOutput,
    Failure,
    ProposedEdit,
    ProposeInputs,
    ProposeOutput,
)
from persona_agent.prompts.parts import Case
from persona_agent.prompts.template import PromptInputs, TypedPrompt, neutralize
from persona_agent.prompts.verify import VERIFY_CLAIMS, ClaimVerdict, VerifyInputs, VerifyOutput

__all__ = [
    "CRITIQUE",
    "DECIDE",
    "DECIDE_BRIEF",
    "DISTIL_FACTS",
    "DRAFT_PERSONA",
    "PROFILE",
    "PROPOSE_EDITS",
    "RESPOND",
    "VERIFY_CLAIMS",
    "Case",
    "ClaimVerdict",
    "ConfirmedFact",
    "CritiqueInputs",
    "CritiqueOutput",
    "DecideInputs",
    "DecideOutput",
    "DistilInputs",
    "DistilOutput",
    "DistilledFact",
    "DraftInputs",
    "DraftOutput",
    "DraftedClaim",
    "Failure",
    "ProfileInputs",
    "ProfileOutput",
    "PromptInputs",
    "ProposeInputs",
    "ProposeOutput",
    "ProposedEdit",
    "RespondInputs",
    "RespondOutput",
    "TypedPrompt",
    "VerifyInputs",
    "VerifyOutput",
    "all_prompts",
    "neutralize",
]
