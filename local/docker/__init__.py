"""Everything in containers, by way of docker compose."""
