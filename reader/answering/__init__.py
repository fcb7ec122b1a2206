"""From a request on NATS to its reply: parameters checked, budgets kept, one shape of answers."""
