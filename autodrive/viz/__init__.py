"""Pictures for people: what the cameras saw, what the network made of it, and what the planner decided."""
