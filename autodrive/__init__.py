"""The library: everything the robot thinks, with no ROS import.

Frames follow REP-103/105: x forward, y left, z up; ``base_link`` is the middle of the car's rear axle on the ground
(for a humanoid: the ground point below the pelvis); ``map`` is fixed to the world. SI units and radians throughout.
"""
