"""The worked example of the README, run as it stands there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.server.conftest import Running

EXAMPLE = """\
from openai import OpenAI

client = OpenAI()  # OPENAI_BASE_URL=http://127.0.0.1:8321/v1 OPENAI_API_KEY=unused
for text in ("I am allergic to peanuts.", "What am I allergic to?"):
    reply = client.chat.completions.create(
        model="offline", user="ana", messages=[{"role": "user", "content": text}]
    )
    print(reply.choices[0].message.content)
print("remembered as", reply.model_extra["persona"]["episode_id"])
"""


@pytest.mark.slow
def test_the_example_with_the_openai_client_runs(offline: Running) -> None:
    place = {"OPENAI_BASE_URL": f"{offline.url}/v1", "OPENAI_API_KEY": "unused"}
    done = subprocess.run(
        [sys.executable, "-c", EXAMPLE],
        env=os.environ | place,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "- " in done.stdout and "I am allergic to peanuts." in done.stdout
    identity = done.stdout.split("remembered as ")[1].strip()
    assert identity in [episode.id for episode in offline.agent.episodes_sync("ana")]


def test_the_readme_shows_it() -> None:
    readme = Path(__file__).parents[2] / "README.md"
    assert f"```py\n{EXAMPLE}```" in readme.read_text(encoding="utf-8")
