"""The prompt that checks claims against cases."""

from __future__ import annotations

from pydantic import Field

from persona_agent.prompts.parts import Case, cases_text, resolve, shorten
from persona_agent.prompts.template import PromptInputs, TypedPrompt
from persona_agent.schema.base import Record


class VerifyInputs(PromptInputs):
    """Claims as statements, and cases of their user; some claims may rest on some of them."""

    claims: tuple[str, ...] = Field(min_length=1)
    cases: tuple[Case, ...] = Field(min_length=1)

    def sections(self) -> dict[str, str]:
        """Return the text of every placeholder."""
        claims = [f"[C{n}] {shorten(claim, 600)}" for n, claim in enumerate(self.claims, 1)]
        return {"claims": "\n".join(claims), "cases": cases_text(self.cases, letter="E")}

    def claim_index(self, reference: str) -> int | None:
        """Translate a reference of the prompt to the place of a claim."""
        found = resolve(reference, "C", [str(place) for place in range(len(self.claims))])
        return None if found is None else int(found)

    def episode_id(self, reference: str) -> str | None:
        """Translate a reference of the prompt to an episode id."""
        return resolve(reference, "E", [case.episode_id for case in self.cases])


class ClaimVerdict(Record):
    """What the cases say of one claim, as a model writes it: references such as ``C1``, ``E2``."""

    claim: str
    supports: tuple[str, ...] = ()
    contradicts: tuple[str, ...] = ()


class VerifyOutput(Record):
    """One verdict a claim; a claim without one is neither supported nor contradicted."""

    verdicts: tuple[ClaimVerdict, ...] = ()


VERIFY_CLAIMS = TypedPrompt("verify_claims", VerifyInputs, VerifyOutput)
