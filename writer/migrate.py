"""``python -m writer.migrate``: copy events that an older platform wrote into the form of ours.

That platform has the criticality as a tag, ``criticality_level``, and names no device. What it
wrote stays where it is; a copy is written beside it, as the writer would have written the event,
and answers show it once. Copying again changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Annotated

import typer

from spindle import timestamps
from spindle.errors import BatchRefused, InvalidInput, StoreError
from spindle.service import logs
from spindle.service.program import EXIT_FAILED, EXIT_USAGE, bar, commands, end
from spindle.settings import Settings, load
from spindle.store.base import EventRow
from spindle.store.influxdb.store import InfluxStore
from spindle.store.registry import open_store

AT_ONCE = 5_000

app = commands()


@dataclass
class Count:
    """Events: in the old form, copied now, there already, and refused by the store or unusable."""

    found: int = 0
    copied: int = 0
    there: int = 0
    refused: int = 0


@app.command()
def migrate(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what would be copied, and write nothing.")
    ] = False,
) -> None:
    """Copy events of S3's platform (criticality_level as a tag) into the form of ours.

    Example: ./run.sh migrate --dry-run

    Exit codes: 0 done, 1 the store cannot be used, 2 wrong usage or settings.
    """
    logs.configure("migrate", "error")
    try:
        count = asyncio.run(_migrate(load(Settings), dry_run=dry_run))
    except InvalidInput as error:  # all mistakes of the settings, too
        end(EXIT_USAGE, str(error))
    except StoreError as error:
        end(EXIT_FAILED, f"nothing more could be copied: {error}")
    if count is None:
        print("nothing to do: only an InfluxDB can hold events in the old form")
    elif dry_run:
        print(f"{count.found:,} events in the old form would be copied; nothing was written")
    else:
        refused = f", {count.refused:,} cannot be stored" if count.refused else ""
        print(
            f"{count.found:,} events in the old form: {count.copied:,} copied, "
            f"{count.there:,} were there already{refused}"
        )


async def _migrate(settings: Settings, *, dry_run: bool) -> Count | None:
    store = open_store(settings, writing=not dry_run)
    try:
        if not isinstance(store, InfluxStore):
            return None
        await store.ping()
        count = Count()
        with bar() as told:
            task = told.add_task("", total=await store.old_event_count())
            async for events in _old_events(store):
                count.found += len(events)
                if not dry_run:
                    await _copy(store, [ours(one) for one in events], count)
                day = timestamps.format_ns(events[-1].time_ns)[:10]
                told.update(task, completed=count.found, description=f"events up to {day}")
        return count
    finally:
        await store.close()


async def _old_events(store: InfluxStore) -> AsyncIterator[list[EventRow]]:
    """All of them in pages; each begins at the last instant of the one before, which is not whole
    in it perhaps."""
    start_ns, most, known = 0, AT_ONCE, set[EventRow]()
    while True:
        page = await store.old_events(start_ns, most)
        if fresh := [event for event in page if event not in known]:
            yield fresh
        if len(page) < most:
            return
        last_ns = page[-1].time_ns
        if last_ns == start_ns:  # more events of one instant than a page holds
            most *= 2
        start_ns, known = last_ns, {event for event in page if event.time_ns == last_ns}


def ours(event: EventRow) -> EventRow:
    """As its publisher would have been understood: a device without a name is the class itself."""
    criticality = min(max(event.criticality, 1), 10)
    return replace(event, device_id=event.device_id or event.source_device, criticality=criticality)


async def _copy(store: InfluxStore, events: list[EventRow], count: Count) -> None:
    """Halve what the store refuses until the one that it cannot keep stands alone."""
    try:
        written = await store.write_events(events)
    except BatchRefused:
        if len(events) == 1:
            count.refused += 1
            return
        half = len(events) // 2
        await _copy(store, events[:half], count)
        await _copy(store, events[half:], count)
    else:
        count.copied += written.new
        count.there += len(events) - written.new


if __name__ == "__main__":
    app(prog_name="./run.sh migrate")
