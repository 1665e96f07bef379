"""From a timed path to steering and acceleration."""
