"""``python -m daemon.replay FILE|FOLDER...``: publish the past that files hold.

Everything is read once before anything is sent: for mistakes, and for what is older than the store
keeps.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from daemon.messages import Message
from daemon.replay import files, sending
from spindle import bus, timestamps
from spindle.errors import InvalidInput
from spindle.service.program import EXIT_AWAY, EXIT_USAGE, bar, called_from, commands, end
from spindle.settings import Settings, load
from spindle.text import shown

CONNECT_SECONDS = 10.0
#: What is about to expire: it is to be stored before it does.
MARGIN_NS = 600 * timestamps.NS

app = commands()


@dataclass
class Past:
    """Counts of what the files hold, made before anything is sent; times in nanoseconds."""

    count: int = 0
    oldest_ns: int = timestamps.LATEST_NS
    newest_ns: int = 0

    def add(self, time_ns: int) -> None:
        """Count one record at ``time_ns``."""
        self.count += 1
        self.oldest_ns, self.newest_ns = (
            min(self.oldest_ns, time_ns),
            max(self.newest_ns, time_ns),
        )


@app.command()
def replay(
    words: Annotated[
        list[str],
        typer.Argument(
            help="Files, folders, and device_id=... metric_type=... for a file of timestamp,value",
            metavar="FILE|FOLDER... [KEY=VALUE]...",
            show_default=False,
        ),
    ],
    shift_to_now: Annotated[
        bool, typer.Option("--shift-to-now", help="Move the whole past so that it ends now.")
    ] = False,
) -> None:
    """Publish the past: what ./run.sh export wrote, Backblaze's drive statistics, timestamp,value.

    Example: ./run.sh replay temperature.csv device_id=disk-7 metric_type=DiskTemp

    Exit codes: 0 published, 2 wrong usage, files or settings (nothing is sent), 69 no NATS.
    """
    logging.getLogger("spindle").setLevel(logging.CRITICAL)  # what matters is told here
    try:
        settings = load(Settings)
        paths, given = _sorted_out(words)
        now_ns = time.time_ns()
        source = files.Source(given, settings.latest_ns(now_ns))
        counted = _counted(files.found(paths), source)
        shift_ns = now_ns - counted.newest_ns if shift_to_now else 0
        _keeps(settings.retention_hours, counted, shift_ns, now_ns, moved=shift_to_now)
        asyncio.run(_send(settings, files.found(paths), source, counted, shift_ns))
    except InvalidInput as error:  # all mistakes of the settings, too
        end(EXIT_USAGE, str(error))
    except TimeoutError:
        end(EXIT_AWAY, "NATS does not answer; ./run.sh start starts Spindle")


def _sorted_out(words: Sequence[str]) -> tuple[list[Path], dict[str, str]]:
    paths, given = [], {}
    for word in words:
        key, equals, value = word.partition("=")
        path = Path(word) if called_from() == Path.cwd() else called_from() / word  # as typed
        if not equals or path.exists():
            paths.append(path)
        elif key in files.KEYS and value:
            given[key] = value
        else:
            keys = ", ".join(f"{each}=..." for each in files.KEYS)
            raise InvalidInput(f"given {shown(word)}, expected a file, a folder, or {keys}")
    if not paths:
        raise InvalidInput("which past? expected files or folders")
    return paths, given


def _counted(paths: Sequence[Path], source: files.Source) -> Past:
    past = Past()
    with bar() as progress:
        task = progress.add_task("reading files", total=len(paths))
        for path in paths:
            for record in files.records(path, source):
                past.add(sending.time_of(record))
            progress.advance(task)
    if not past.count:
        raise InvalidInput("the files hold no readings and no events")
    return past


def _keeps(hours: float, past: Past, shift_ns: int, now_ns: int, *, moved: bool) -> None:
    """Check that the store's retention keeps all of it.

    :param hours: RETENTION_HOURS.
    :raises InvalidInput: some of it is too old; the sentence says what can be done.
    """
    oldest_ns = past.oldest_ns + shift_ns
    if not hours or oldest_ns >= now_ns - int(hours * 3600) * timestamps.NS + MARGIN_NS:
        return
    needed = -(-(now_ns - oldest_ns + MARGIN_NS) // (3600 * timestamps.NS))
    lasts = timestamps.duration((past.newest_ns - past.oldest_ns) / timestamps.NS)
    raise InvalidInput(
        f"nothing was sent: it begins at {timestamps.format_ns(oldest_ns)}"
        f"{f', moved, for it lasts {lasts},' if moved else ''} and the store keeps {hours:g} h; "
        + ("" if moved else "--shift-to-now moves the whole past so that it ends now, or ")
        + f"set RETENTION_HOURS={needed} (0: for ever) and restart"
    )


async def _send(
    settings: Settings, paths: Sequence[Path], source: files.Source, past: Past, shift_ns: int
) -> None:
    async with asyncio.timeout(CONNECT_SECONDS):
        client = await bus.connect(settings, "replay", own_subjects=True)
        await bus.declare(client, settings)
    told: set[str] = set()
    repeated = 0

    def tell(sentence: str) -> None:
        if sentence not in told:
            told.add(sentence)
            print(sentence, file=sys.stderr)

    with bar() as progress:
        task = progress.add_task("publishing", total=past.count)

        def done(message: Message, repeat: bool) -> None:
            nonlocal repeated
            repeated += message.points if repeat else 0
            progress.advance(task, message.points)

        try:
            said = _messages(paths, source, shift_ns)
            await sending.publish(client, said, done, tell)
        finally:
            await bus.close(client)
    first, last = (
        timestamps.format_ns(each + shift_ns) for each in (past.oldest_ns, past.newest_ns)
    )
    print(f"{past.count - repeated:,} records published, from {first} to {last}")
    if repeated:
        print(f"{repeated:,} were there already")


def _messages(paths: Sequence[Path], source: files.Source, shift_ns: int) -> Iterator[Message]:
    for path in paths:
        yield from sending.messages(files.records(path, source), shift_ns)


if __name__ == "__main__":
    app(prog_name="./run.sh replay")
