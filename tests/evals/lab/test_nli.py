"""The cross-encoder with an inference model of random weights, made on the spot."""

from __future__ import annotations

from pathlib import Path

import pytest

from persona_agent.errors import InputError, StoreUnavailableError
from persona_agent.evals.lab.judges import Panel
from persona_agent.memory.nli import CrossEncoderReader

LABELS = {0: "CONTRADICTION", 1: "ENTAILMENT", 2: "NEUTRAL"}


def make_model(folder: Path, labels: dict[int, str]) -> Path:
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\ni\nlove\nhate\ntea\n.\n")
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(str(folder))
    config = BertConfig(
        vocab_size=10, hidden_size=8, num_hidden_layers=1, num_attention_heads=1,
        intermediate_size=8, id2label=labels, label2id={v: k for k, v in labels.items()},
    )  # fmt: skip
    BertForSequenceClassification(config).save_pretrained(str(folder))
    return folder


@pytest.mark.slow
async def test_the_likeliest_label_is_the_verdict(tmp_path: Path) -> None:
    import torch

    reader = CrossEncoderReader(str(make_model(tmp_path, LABELS)))
    statements = ["i hate tea .", "i love tea ."]
    before = reader.relate("i love tea .", statements)
    assert len(before) == 2 and reader.relate("i love tea .", []) == []
    with torch.no_grad():
        reader._model.model.classifier.bias[:] = torch.tensor([9.0, 0.0, 0.0])
    found = reader.relate("i love tea .", statements)
    assert [one.verdict for one in found] == ["contradiction"] * 2
    assert all(one.probability > 0.9 for one in found)
    opinions = await Panel((), reader=reader).relate("i love tea .", statements)
    assert [one.answer for one in opinions] == ["contradiction"] * 2


@pytest.mark.slow
def test_other_labels_are_refused(tmp_path: Path) -> None:
    reader = CrossEncoderReader(str(make_model(tmp_path, {0: "LABEL_0", 1: "b", 2: "c"})))
    with pytest.raises(InputError, match="LABEL_0"):
        reader.relate("i love tea .", ["i hate tea ."])


@pytest.mark.slow
def test_a_model_that_is_not_here_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(StoreUnavailableError, match="nobody/nothing"):
        CrossEncoderReader("nobody/nothing").relate("a", ["b"])
