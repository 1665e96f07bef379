"""The last gate before the actuators."""
