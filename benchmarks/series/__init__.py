"""Series of many processes, with departures that last, nest and repeat, and their score."""
