"""The rooms behind ``reader.forecast``. All pure: arrays in, arrays and frozen results out."""
