"""Series of many processes, with departures that last, nest and come again, and what scores them."""
