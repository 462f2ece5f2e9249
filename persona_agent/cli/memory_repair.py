"""``persona-agent memory check|rebuild``: they work on files that no agent can open."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path


def check_files(arguments: Namespace) -> int:
    """Tell which files are damaged; return 1 where one is. Raises NotFoundError, StoreError."""
    from persona_agent.agent.chat.thread_repair import check_threads
    from persona_agent.cli.output import Output
    from persona_agent.memory.rebuild import check
    from persona_agent.persona.plural import counted

    output = Output(arguments)
    folder = _folder(arguments)
    with output.progress("checking"):
        threads = check_threads(folder)
        files = check(folder) + ([threads] if threads is not None else [])
    damaged = [file for file in files if file.problem]
    if output.json:
        output.data({"files": files, "sound": not damaged})
        return 1 if damaged else 0
    for file in files:
        readable = file.readable.items()
        counts = ", ".join(counted(count, kind.removesuffix("s"), kind) for kind, count in readable)
        state = f"damaged ({file.problem}); readable" if file.problem else "sound"
        note = f" ({file.note})" if file.note else ""
        output.show(f"{file.file}: {state}: {counts or 'nothing'}{note}")
    if damaged:
        output.show("Rebuild the files from what is readable: persona-agent memory rebuild")
    return 1 if damaged else 0


def rebuild_files(arguments: Namespace) -> int:
    """Make damaged files anew. Raises NotFoundError, StoreError."""
    from persona_agent.agent.chat.thread_repair import rebuild_threads
    from persona_agent.cli.output import Output
    from persona_agent.cli.session import load_settings
    from persona_agent.memory import create_embedder
    from persona_agent.memory.rebuild import rebuild

    output = Output(arguments)
    folder = _folder(arguments)
    with output.steps() as advance:
        made = rebuild(
            folder,
            create_embedder(load_settings(arguments)),
            lambda done, total: advance("rebuilding", done, total),
        )
    threads = rebuild_threads(folder)
    if threads is not None:
        made["threads.db"] = threads
    if output.json:
        output.data({"files": {name: {**counts} for name, counts in made.items()}})
        return 0
    if not made:
        output.show("nothing is damaged")
    for name, counts in made.items():
        kept = ", ".join(f"{count} {kind}" for kind, count in counts.items()) or "empty"
        output.show(f"{name}: {kept}; what it was made from is kept beside it")
    return 0


def _folder(arguments: Namespace) -> Path:
    from persona_agent.cli.session import load_settings
    from persona_agent.errors import NotFoundError

    folder = load_settings(arguments).data_dir
    if not folder.is_dir():
        raise NotFoundError(f"there is no data in {str(folder)!r}: name a folder with --data-dir")
    return folder
