"""A world to look at without a network: servers, clients, and what they say to each other."""
