"""Where the body is: dead reckoning from its own sensors, aligned with the lane that the cameras see."""
