"""``persona-agent clusters``: the atlas of personas, and whether it means anything."""

from __future__ import annotations

import asyncio
import contextlib
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from persona_agent.cli.options import Subparsers, at_least, common_options, out_file, results_option

if TYPE_CHECKING:
    from rich.table import Table

    from persona_agent.cli.output import Output
    from persona_agent.evals.atlas import Atlas, Entry, Finding, Learner, Verdict
    from persona_agent.evals.atlas.histories import Histories
    from persona_agent.evals.runner import Progress

OUT = Path("atlas.html")


def add_parser(commands: Subparsers) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "clusters",
        parents=[common_options(json=False)],
        help="map and cluster personas, and say whether that means anything",
        description="Embed personas, cluster and map them, write an interactive page, and judge "
        "whether they are their users' own: personas are learned several times from separate "
        "halves of each history, and compared with those of histories shuffled between users.",
    )
    parser.add_argument(
        "--data",
        metavar="DIR|FILE",
        type=Path,
        help="a data directory, or a file for evaluation (default: the demo users)",
    )
    parser.add_argument(
        "--out", metavar="FILE", type=out_file, default=OUT, help=f"the page (default: {OUT})"
    )
    parser.add_argument("--png", metavar="FILE", type=out_file, help="also a picture")
    parser.add_argument("--dark", action="store_true", help="the picture on dark ground")
    results_option(parser, "all figures")
    parser.add_argument(
        "--by",
        choices=("claims", "behaviour"),
        default="claims",
        help="map personas by what they claim, or by what they answer (default: claims)",
    )
    parser.add_argument(
        "--map", choices=("pca", "tsne", "umap"), help="default: pca for few users, else tsne"
    )
    parser.add_argument("--seed", metavar="S", type=int, default=0, help="default: 0")
    _verdict_options(parser)
    parser.set_defaults(run=run)


def _verdict_options(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("the verdict")
    group.add_argument(
        "--draws",
        metavar="N",
        type=at_least(3),
        default=3,
        help="pairs of halves of each history (default: 3)",
    )
    group.add_argument(
        "--half",
        metavar="N",
        type=at_least(2),
        help="interactions of a half (default: half of the median history)",
    )
    group.add_argument(
        "--shuffle",
        action="store_true",
        help="shuffle the histories between users first, to see what chance looks like",
    )
    wanted = group.add_mutually_exclusive_group()
    wanted.add_argument(
        "--verdict",
        action="store_true",
        default=None,
        help="judge with a paid model too: six optimizations a user and draw",
    )
    wanted.add_argument(
        "--no-verdict", action="store_false", dest="verdict", help="only draw the map"
    )


def run(arguments: Namespace) -> int:
    """Build the atlas, judge it, write what was asked for."""
    from persona_agent.cli.output import Output
    from persona_agent.cli.session import load_settings
    from persona_agent.evals.atlas import Learner
    from persona_agent.llm import create_model
    from persona_agent.memory import create_embedder

    output = Output(arguments)
    settings = load_settings(arguments).with_default_cache()
    embedder = create_embedder(settings)
    model = create_model(settings, embedder)
    learner = Learner(model, embedder, persona_tokens=settings.persona_tokens)

    async def work() -> tuple[Atlas, Verdict | None]:
        try:
            with output.steps() as progress:
                return await _made(arguments, learner, output, progress)
        finally:
            await model.aclose()

    atlas, verdict = asyncio.run(work())
    _report(atlas, verdict, output)
    _write(arguments, atlas, verdict, output)
    return 0


async def _made(
    arguments: Namespace, learner: Learner, output: Output, progress: Progress
) -> tuple[Atlas, Verdict | None]:
    import random

    from persona_agent.evals.atlas import build_atlas
    from persona_agent.evals.atlas.behaviour import behaviour_vectors, choose_probes
    from persona_agent.evals.atlas.histories import shuffled
    from persona_agent.evals.atlas.sources import learned

    entries, histories, names = _source(arguments)
    if arguments.shuffle:
        histories, entries = shuffled(histories, random.Random(arguments.seed)), []
    if not entries:
        entries = await learned(histories, learner, names=names, progress=progress)
    vectors = None
    if arguments.by == "behaviour":
        vectors = await behaviour_vectors(
            [entry.persona for entry in entries],
            choose_probes(histories, seed=arguments.seed),
            learner.model,
            learner.embedder,
            persona_tokens=learner.persona_tokens,
            progress=progress,
        )
    atlas = await asyncio.to_thread(
        build_atlas,
        entries,
        learner.embedder,
        vectors=vectors,
        space=arguments.by,
        map=arguments.map,
        seed=arguments.seed,
        progress=progress,
    )
    wanted = learner.model.deterministic if arguments.verdict is None else arguments.verdict
    if not wanted:
        return atlas, None
    return atlas, await _judged(arguments, learner, histories, names, output, progress)


def _source(arguments: Namespace) -> tuple[list[Entry], Histories, dict[str, str]]:
    """Return stored personas (none: they have to be learned), histories, and names of people."""
    from persona_agent.cli.session import load_settings
    from persona_agent.errors import NotFoundError
    from persona_agent.evals.atlas.sources import demo_histories, file_histories, stored
    from persona_agent.memory import open_memory

    data: Path | None = arguments.data
    if data is None and arguments.data_dir is None:
        return [], *demo_histories()
    if data is not None and data.is_file():
        return [], file_histories(data), {}
    settings = load_settings(arguments)
    folder = data or settings.data_dir
    if not folder.is_dir():
        raise NotFoundError(f"there is neither a file nor a folder {str(folder)!r}")
    if not any(folder.glob("*.db")):  # a folder of an evaluation's files
        return [], file_histories(folder), {}
    with contextlib.closing(
        open_memory(settings.model_copy(update={"data_dir": folder}))
    ) as memory:
        entries, histories = stored(memory)
    return entries, histories, {}


async def _judged(
    arguments: Namespace,
    learner: Learner,
    histories: Histories,
    names: dict[str, str],
    output: Output,
    progress: Progress,
) -> Verdict | None:
    """Judge; where there is too little to judge on, say so and draw the map all the same."""
    from persona_agent.errors import InputError
    from persona_agent.evals.atlas import judge

    try:
        return await judge(
            histories,
            learner,
            names=names,
            draws=arguments.draws,
            half=arguments.half,
            seed=arguments.seed,
            progress=progress,
        )
    except InputError as error:
        output.note(f"no verdict: {error}")
        return None


def _report(atlas: Atlas, verdict: Verdict | None, output: Output) -> None:
    from persona_agent.evals.atlas.look import caption

    output.show(caption(atlas), "", _clusters(atlas), "")
    if verdict is None:
        output.show("No verdict: a map alone cannot tell whether its groups mean anything.")
        return
    output.show(_figures(verdict), "", "Verdict", *(f"  {line}" for line in verdict.words), "")


def _clusters(atlas: Atlas) -> Table:
    from rich.table import Table
    from rich.text import Text

    from persona_agent.agent.show import one_line

    table = Table(title="Clusters", box=None, title_justify="left")
    for name in ("cluster", "personas", "a typical claim"):
        table.add_column(name, justify="right" if name == "personas" else "left")
    for one in atlas.clusters:
        typical = one_line(one.typical, 90)
        table.add_row(Text(one_line(one.name, 50)), f"{one.size:,}", Text(typical))
    return table


def _figures(verdict: Verdict) -> Table:
    from rich.table import Table

    table = Table(
        title=f"{verdict.users} users, {verdict.draws} x 2 halves of {verdict.half} episodes; "
        f"left out for too short a history: {verdict.left_out}",
        caption="AUC: chance that a distance between users exceeds one within; ARI: agreement of "
        "clusters, 0 is chance",
        box=None,
        title_justify="left",
        caption_justify="left",
    )
    head = ("personas", "by", "AUC", "own AUC [95 %]", "p", "retrieval@1", "silhouette",
            "ARI bootstrap", "ARI halves")  # fmt: skip
    for name in head:
        table.add_column(name, justify="left" if name in head[:2] else "right")
    for one in verdict.findings:
        table.add_row(*_row(one))
    return table


def _row(one: Finding) -> list[str]:
    found, groups = one.separation, one.replication
    low, high = found.own_auc_ci95 or (0.0, 1.0)
    numbers = (groups.silhouette, groups.bootstrap, groups.across_halves)
    return [
        one.kind,
        one.space,
        f"{found.auc:.2f}",
        f"{found.own_auc:.2f} [{low:.2f}, {high:.2f}]",
        f"{found.p:.4f}",
        f"{found.retrieval:.2f} ({found.chance:.2f})",
        *("-" if value is None else f"{value:.2f}" for value in numbers),
    ]


def _write(arguments: Namespace, atlas: Atlas, verdict: Verdict | None, output: Output) -> None:
    import json

    from persona_agent.evals.atlas.page import render_page
    from persona_agent.evals.atlas.picture import save_picture
    from persona_agent.evals.scores.results import write_text

    with output.progress("drawing"):
        write_text(arguments.out, render_page(atlas, verdict))
        if arguments.json:
            whole = {
                "atlas": atlas.model_dump(mode="json"),
                "verdict": verdict.model_dump(mode="json") if verdict else None,
            }
            write_text(arguments.json, json.dumps(whole, indent=2) + "\n")
        if arguments.png:
            headline = verdict.words[0] if verdict else ""
            save_picture(atlas, arguments.png, headline=headline, dark=arguments.dark)
    output.note(f"written: {', '.join(str(file) for file in _files(arguments))}")


def _files(arguments: Namespace) -> list[Path]:
    return [file for file in (arguments.out, arguments.png, arguments.json) if file]
