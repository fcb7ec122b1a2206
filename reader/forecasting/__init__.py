"""When a device will be full: arrays of readings in, frozen forecasts and their sentences out."""
