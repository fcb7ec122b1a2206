"""What a bucket holds, which somebody may have written by hand: read whole, or not at all. Pure."""

from __future__ import annotations

from typing import Annotated

import msgspec

#: A number that can be counted on and written as JSON again.
Whole = Annotated[int, msgspec.Meta(ge=0, le=2**62)]
#: Nanoseconds since the epoch; before it, too.
Nanoseconds = Annotated[int, msgspec.Meta(ge=-(2**62), le=2**62)]
#: What msgspec raises of any bytes; of those that are nested too deeply a RecursionError.
UNREADABLE = (ValueError, RecursionError)
