"""What is unusual about a series or a device: scores, episodes, peers, and what was found."""
