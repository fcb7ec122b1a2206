"""Detection measured: on public series, simulated faults, and fleets that are well."""
