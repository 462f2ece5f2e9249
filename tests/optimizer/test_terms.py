"""Terms that may not be bought: invention, a listener that hears recitals, rare slips."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from persona_agent.errors import BudgetExceededError, ModelAnswerError, SettingsError
from persona_agent.llm.critic_apart import CriticApart
from persona_agent.llm.offline.model import OfflineModel
from persona_agent.optimizer import OptimizerConfig, Search
from persona_agent.optimizer.asking import Asked
from persona_agent.optimizer.judging import INVENTS
from persona_agent.optimizer.objective import TermReader, invents, objective
from persona_agent.optimizer.trials import Trials, by_frequency
from persona_agent.persona.grounding import asserted
from persona_agent.prompts.lab import RELATE, REPLY_LISTEN, ListenInputs, RelateInputs
from persona_agent.protocols import LanguageModel
from persona_agent.schema import Claim, Episode, GateResult, Persona, Query, Section, Terms, Trial
from persona_agent.settings import Settings
from persona_agent.testing import HashEmbedder, ScriptedModel
from persona_agent.testing.models import Script
from tests.optimizer.notes import DEFAULT, START, persona, searched_for, simulator
from tests.scripted import Sampling

ALL = OptimizerConfig(listener_weight=0.5, invention_weight=0.5)
CLAIM = "wants notes of thanks short and warm and signed by Ann"
QUERY = "Write a short warm note of thanks to my aunt for the jam"
KEPT = "Dear aunt, thank you for the jam! It made my day. Love, Ann"


def episodes(*outcomes: str, query: str = QUERY) -> list[Episode]:
    return [
        Episode(
            id=f"n{n}",
            user_id="ann",
            query=Query(text=query, task="notes"),
            outcome=outcome,
            at=START + timedelta(days=n),
        )
        for n, outcome in enumerate(outcomes)
    ]


async def written(text: str, model: LanguageModel, *claims: str, invention: bool = False) -> Terms:
    """Return the terms of a text where the critic is asked for everything that it can be."""
    asked = Asked(HashEmbedder(), listener=True, invention=invention)
    answering = CriticApart(ScriptedModel({"respond": {"answer": text}}), model, CRITIC)
    past = episodes(KEPT)
    who = persona(*claims or (CLAIM,), recalled=2)
    (trial,) = await simulator(past, asked=asked)(who, past, answering)
    return trial.terms


CRITIC = (REPLY_LISTEN.name, RELATE.name)


def hears(own: Callable[[str], bool]) -> Script:
    """Script a listener that names the user of whom ``own`` texts are, nobody for others."""

    def listen(inputs: ListenInputs) -> dict[str, object]:
        place = next(n for n, one in enumerate(inputs.persons, 1) if one == CLAIM)
        return {"reason": "", "speaker": place if own(inputs.utterance) else 0}

    return listen


# --- what a text states of its user ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("You have two dogs. Do you walk them?", ["You have two dogs."]),
        ("I was so happy. Dear aunt, I miss you. Love, Ann", ["I was so happy."]),
        ("The user prefers tea. Tea is hot.", ["The user prefers tea."]),
        ("I would go there. You could try it. Thank you for all of it.", []),
        ("Let me know your size. If you like, I can call.", []),
        ("Nothing is said here.", []),
        ("", []),
    ],
)
def test_assertions_are_what_is_stated_of_the_user(text: str, found: list[str]) -> None:
    assert asserted(text) == found


# --- invention ------------------------------------------------------------------------------------


def test_what_claims_cases_the_query_or_the_kept_text_say_is_not_invented() -> None:
    reader = TermReader(HashEmbedder())
    text = "You have two dogs."

    def invention(**known: object) -> float | None:
        return reader.read(text, **{"query": "What of my pets?", **known}).invention  # type: ignore[arg-type]

    assert invention() == 1.0
    assert invention(claims=["You have two dogs"]) == 0.0
    assert invention(known=["my pets -> You have two dogs."]) == 0.0
    assert invention(query="You have two dogs. What of my pets?") == 0.0
    assert invention(kept="You have two dogs.") == 0.0
    assert invention(kept="Your cat is fine.") == 1.0
    assert invention(claims=["You have no dogs"]) == 0.0  # denied: that is a contradiction
    assert invention(known=["my pets -> You have no dogs."]) == 1.0  # which no other term tells
    assert reader.read(" ", query="What of my pets?").invention is None


async def test_a_model_may_be_asked_what_is_invented() -> None:
    def relate(inputs: RelateInputs) -> dict[str, object]:
        known = "jam" in inputs.utterance  # what rules on words would not see
        return {
            "relations": [
                {"statement": n, "relation": "entailment" if known else "neutral"}
                for n in range(1, len(inputs.statements) + 1)
            ]
        }

    listen = hears(lambda text: True)
    model = Sampling({"lab_relate": relate, "reply_listen": listen})
    half = "We ate the jam at once. My parrot is ill. It made my day."
    found = await written(half, model, invention=True)
    assert found.invention == pytest.approx(1 / 3)
    assert (await written("My parrot is ill.", model, invention=True)).invention == 1.0
    assert (await written("Thanks!", model, invention=True)).invention == 0.0
    failing = Sampling({"lab_relate": ModelAnswerError("prose"), "reply_listen": listen})
    assert (await written(half, failing, invention=True)).invention is None


async def test_offline_the_model_and_the_rules_tell_the_same_of_invention() -> None:
    model = OfflineModel(HashEmbedder())
    for text, invention in (("My parrot is ill.", 1.0), (f"My {CLAIM}.", 0.0), (KEPT, 0.0)):
        asked = await written(text, model, invention=True)
        read = await written(text, model)
        assert asked.invention == read.invention == invention


async def searched(after: str) -> tuple[Search, list[GateResult]]:
    """Search where the only edit makes the agent write ``after`` in place of a contradiction."""
    kept = [f"Yes, take the dog of number {n} along." for n in range(20)]
    past = episodes(*kept, query="Do I bring my dog on the journey?")
    own = Claim(section=Section.CONTEXT, text="I have a dog", origin="user")

    def respond(inputs: object) -> dict[str, object]:
        edited = "EDITED" in inputs.persona  # type: ignore[attr-defined]
        return {"answer": after if edited else "You have no dog."}

    config = OptimizerConfig(relevance_weight=0, confidence_weight=0)
    run = await searched_for("EDITED", past, respond, config, own)
    return run, [gate for gate in run.gates if gate.gate.startswith("minibatch")]


async def test_consistency_that_is_bought_with_invention_is_refused() -> None:
    honest, (fair, *_) = await searched("Take it along, the journey is long.")
    assert [edit.text for edit in honest.accepted] == ["EDITED"] and fair.passed
    sly, (bought, *_) = await searched("Your three parrots of Lisbon come along.")
    terms = {one.term: one for one in bought.terms}
    assert (terms["contradiction"].candidate, terms["invention"].candidate) == (0.0, 1.0)
    assert (terms["contradiction"].incumbent or 0) > 0.3
    assert bought.candidate_loss < bought.incumbent_loss  # without the veto it would have won
    assert (bought.passed, bought.reason) == (False, INVENTS)
    assert not sly.accepted and [edit.text for edit in sly.rejected] == ["EDITED"]


def trial(**terms: float) -> Trial:
    return Trial(episode_id="e", answer="a", loss=0.0, terms=Terms(**terms))


def test_invention_is_compared_where_both_sides_are_known() -> None:
    before, sly = trial(contradiction=0.9, invention=0), trial(contradiction=0, invention=1)
    assert invents([sly], [before])
    assert not invents([before], [sly])
    assert not invents([sly], [trial()]) and not invents([], [])
    assert not invents([trial(contradiction=0.9, invention=1)], [before])  # nothing was bought
    rare = before.model_copy(update={"terms": Terms(contradiction=0.9, invention=0, said=0.1)})
    assert invents([rare], [trial(contradiction=0.2, invention=0)]) is False


# --- the listener ---------------------------------------------------------------------------------


async def test_a_text_costs_by_how_much_worse_the_user_is_heard_than_in_what_was_kept() -> None:
    model = Sampling({"reply_listen": hears(lambda text: "Love, Ann" in text)})
    assert (await written(f"{KEPT}!", model)).listener == 0.0
    chance = await written("Best wishes.", model)
    assert chance.listener == pytest.approx(1.0 - 0.2288, abs=1e-3)  # log 3.5 of 4.5 to base 3
    deaf = Sampling({"reply_listen": hears(lambda text: False)})  # the kept text is not heard
    assert (await written("Best wishes.", deaf)).listener == 0.0
    votes = [name for name, _ in model.requests]
    assert votes == [REPLY_LISTEN.name] * 12  # three a text, on what was written and what was kept
    orders = {inputs.persons for _, inputs in model.requests if isinstance(inputs, ListenInputs)}
    assert len(orders) > 1


async def test_the_listener_is_asked_once_of_what_was_kept_for_all_texts_beside_it() -> None:
    model = Sampling({"reply_listen": hears(lambda text: "Love, Ann" in text)})
    asked = Asked(HashEmbedder(), listener=True)
    texts = (f"{KEPT}!", "Best wishes.", "Yours.")
    found = [
        await asked.complete(Terms(), model, text, query=QUERY, kept=KEPT, claims=[CLAIM])
        for text in texts
    ]
    assert [one.listener for one in found] == pytest.approx([0.0, 0.7712, 0.7712], abs=1e-3)
    heard = [inputs.utterance for _, inputs in model.requests if isinstance(inputs, ListenInputs)]
    assert [heard.count(one) for one in (KEPT, *texts)] == [3, 3, 3, 3]
    again = Sampling({"reply_listen": hears(lambda text: "Love, Ann" in text)})  # another draw
    await asked.complete(Terms(), again, texts[1], query=QUERY, kept=KEPT, claims=[CLAIM])
    assert len(again.requests) == 6


async def test_the_listener_is_not_asked_where_it_could_only_guess() -> None:
    model = Sampling({})
    assert (await written(KEPT, model)).listener == 0.0
    assert (await written("Best wishes.", model, "lives in a boat")).listener is None
    assert not model.requests
    failing = Sampling({"reply_listen": ModelAnswerError("prose")})
    assert (await written("Best wishes.", failing)).listener is None
    spent = Sampling({"reply_listen": BudgetExceededError("spent")})
    with pytest.raises(BudgetExceededError):
        await written("Best wishes.", spent)


async def test_the_offline_model_listens_too() -> None:
    model = OfflineModel(HashEmbedder())
    aloof = "It is not true that notes of thanks are wanted short and warm and signed by Ann."
    told = [await written(text, model) for text in (f"{CLAIM}.", aloof, KEPT)]
    recited, denied, kept = [one.listener for one in told]
    assert recited == kept == 0.0
    assert denied == 1.0


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.01, 2), st.floats(0, 2))
def test_reciting_never_pays_whatever_the_listener_hears(
    unheard: float, irrelevance: float, listener: float, more: float
) -> None:
    config = OptimizerConfig(listener_weight=listener, copying_weight=listener + more)
    common = {"irrelevance": irrelevance, "contradiction": 0.0, "invention": 0.0}
    parrot = trial(**common, copying=1.0, listener=0.0)
    honest = trial(**common, copying=0.0, listener=unheard)
    assert objective(honest, config) <= objective(parrot, config) + 1e-9


@pytest.mark.parametrize(
    "weights",
    [
        {"listener_weight": 0.6},
        {"listener_weight": 0.1, "copying_weight": 0.0},
        {"listener_weight": 0.1, "relevance_weight": 0.0},
    ],
)
def test_a_listener_without_what_holds_it_back_is_not_configured(
    weights: dict[str, float],
) -> None:
    with pytest.raises(ValidationError, match="recites"):
        OptimizerConfig(**weights)
    with pytest.raises(SettingsError, match="PERSONA_AGENT_LISTENER_WEIGHT"):
        Settings.load(**weights)


async def test_a_parrot_that_is_heard_by_everybody_still_loses() -> None:
    model = Sampling({"reply_listen": hears(lambda text: CLAIM in text)})
    parrot = await written(f"{KEPT} {CLAIM}", model)
    honest = await written("Dear aunt, thanks for the jam, it was lovely. Love, Ann", model)
    assert parrot.listener == 0.0 and parrot.copying == 1.0
    for config in (DEFAULT, ALL):
        costs = [
            objective(Trial(episode_id="e", answer="a", loss=0.1, terms=terms), config)
            for terms in (honest, parrot)
        ]
        assert costs[0] < costs[1]


# --- what the user kept ---------------------------------------------------------------------------

PARTS = (
    "I love tea but hate coffee.",
    "You have no dog.",
    "I have two dogs.",
    "We are never late.",
    "Dear aunt, thank you for the jam!",
    "My hair is brown.",
    "The user is not shy.",
    "Is it far?",
)
texts = st.lists(st.sampled_from(PARTS), min_size=1, max_size=5).map(" ".join)


@given(texts, st.lists(st.sampled_from(PARTS), max_size=3))
def test_the_users_own_text_never_costs(kept: str, claims: list[str]) -> None:
    terms = TermReader(HashEmbedder()).read(
        kept, query="Tell me of tea and dogs", kept=kept, claims=claims, earlier=["I have no tea."]
    )
    assert objective(Trial(episode_id="e", answer=kept, loss=0.0, terms=terms), ALL) == 0


async def test_the_users_own_text_never_costs_whatever_the_critic_says() -> None:
    def denies(inputs: RelateInputs) -> dict[str, object]:
        every = range(1, len(inputs.statements) + 1)
        return {"relations": [{"statement": n, "relation": "contradiction"} for n in every]}

    hostile = Sampling({"reply_listen": hears(lambda text: False), "lab_relate": denies})
    found = await written(KEPT, hostile, CLAIM, "never thanks anybody", invention=True)
    assert (found.listener, found.invention) == (0.0, 0.0)
    assert objective(Trial(episode_id="e", answer=KEPT, loss=0.0, terms=found), ALL) == 0


# --- contradictions count by how often they are said ----------------------------------------------


def said(*contradictions: float | None) -> list[Trial]:
    return [
        Trial(episode_id=str(n), answer="a", loss=0.0, terms=Terms(contradiction=one))
        for n, one in enumerate(contradictions)
    ]


def test_what_agrees_counts_fully_and_a_contradiction_by_the_share_of_draws() -> None:
    first, second, third = by_frequency([said(0.8, 0.0), said(0.6, 0.0), said(0.0, 0.7)])
    assert [one.terms.said for one in (first[0], second[0], third[0])] == [2 / 3, 2 / 3, 1]
    assert [one.terms.said for one in (first[1], third[1])] == [1, 1 / 3]
    failed = [Trial(episode_id="0", answer=None, loss=1.0, error="time-out")]
    assert by_frequency([said(0.8), failed])[0][0].terms.said == 1  # of one answer


async def test_only_what_contradicts_is_drawn_again() -> None:
    models = [object() for _ in range(4)]
    answers = ((0.8, 0.0, None), (0.0, 0.9, 0.9), (0.4, 0.9, 0.9), (0.9, 0.9, 0.9))
    asked: list[tuple[int, tuple[str, ...]]] = []

    async def evaluate(
        who: Persona, episodes: Sequence[Episode], model: LanguageModel
    ) -> list[Trial]:
        place = next(n for n, one in enumerate(models) if one is model)
        asked.append((place, tuple(one.id for one in episodes)))
        numbers = [int(one.id.removeprefix("n")) for one in episodes]
        every = {f"n{n}": one for n, one in enumerate(said(*answers[place]))}
        return [every[f"n{n}"].model_copy(update={"episode_id": f"n{n}"}) for n in numbers]

    past = episodes("a", "b", "c")
    kwargs = {"again": models[1:], "draws": 3}
    trials = Trials(evaluate, models[0], **kwargs)  # type: ignore[arg-type]
    found = await trials.of(persona(CLAIM), past)
    assert asked == [(0, ("n0", "n1", "n2")), (1, ("n0",)), (2, ("n0",))]
    assert [one.terms.said for one in found] == [2 / 3, 1, 1]
    costs = [objective(one, DEFAULT) for one in found]
    assert costs == pytest.approx([0.5 * 0.8 * 2 / 3, 0, 0])
    assert await trials.of(persona(CLAIM), past) == found and len(asked) == 3
    steady = Trials(evaluate, models[0])  # type: ignore[arg-type]
    assert [one.terms.said for one in await steady.of(persona(CLAIM), past)] == [1, 1, 1]


async def test_a_rare_slip_is_judged_as_one() -> None:
    """Of two edits, the one that contradicts always is worse than the one that does so rarely."""
    often, rarely = (
        Trial(episode_id="e", answer="a", loss=0.2, terms=Terms(contradiction=0.9, said=share))
        for share in (1.0, 1 / 3)
    )
    assert objective(rarely, DEFAULT) == pytest.approx(0.2 + 0.15)
    assert objective(often, DEFAULT) == pytest.approx(0.2 + 0.45)
