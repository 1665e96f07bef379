"""From what is around the body to a timed path: reference path, candidates, conflicts, rules, choice."""
