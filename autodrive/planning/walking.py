"""The planner's parameters for a body on legs: small, slow, able to turn on the spot and to step aside."""

from __future__ import annotations

import math
from dataclasses import replace

from autodrive.planning.config import Footprint, GroundConfig, PlannerConfig, ReferenceConfig, ShiftConfig

WALKING_SPEED = 0.6
CARRYING_SPEED = 0.35
BODY = Footprint(front=0.225, rear=0.225, width=0.55)


def walking_config(*, carrying: bool = False) -> PlannerConfig:
    """Parameters of the walking planner; slower and gentler with something in the hands.

    Free ground comes from ``OccupancyMemory``: already fused and already shrunk by the body, so the ground memory takes
    it over at once and looks at the middle of the path alone. There is no paint and there are no lanes.
    """
    speed = CARRYING_SPEED if carrying else WALKING_SPEED
    walking = PlannerConfig(
        footprint=BODY,
        reference=ReferenceConfig(
            min_length=0.3,
            smoothing_step=0.2,
            smoothing_weight=1.0,
            sample_step=0.1,
            extension=8.0,
            search_behind=0.8,
            search_ahead=1.5,
            heading_weight=0.2,
        ),
        ground=GroundConfig(
            cell_s=0.1,
            cell_d=0.1,
            d_limit=1.6,
            behind=0.5,
            ahead=5.0,
            prior=0.8,
            gain=1.0,
            object_clearance=-math.inf,
            half_width=0.0,
            ignored=0.3 - BODY.front,  # what is nearer the route allowed for: the body may stand close to things
            stop_gap=0.15,
        ),
        shifts=ShiftConfig(
            nudges=(0.25, 0.5, -0.25, -0.5),
            detours=(0.8, 1.1, -0.8, -1.1),
            leaves_lane=10.0,
            min_length=0.5,
            tight_speed=0.0,
            merge_gap=1.0,
            look_ahead=5.0,
            junction_bend=math.inf,
        ),
        dt=0.25,
        horizon_s=7.0,
        output_s=4.0,
        conflict_stride=1,
        path_step=0.1,
        path_length=5.0,
        conflict_step=0.2,
        near_route=4.0,
        lost=0.25,
        max_speed=speed,
        lateral_acceleration=0.25,
        acceleration=0.4,
        approach_deceleration=0.4,
        comfortable_deceleration=0.4,
        normal_deceleration=0.6,
        firm_deceleration=0.9,
        hard_deceleration=1.2,
        jerk=2.0,
        brake_jerk=4.0,
        hard_jerk=40.0,
        max_path_curvature=2.5,
        wheel_lock_curvature=4.0,  # no wheels; still no hairpins: those are turned on the spot
        standstill=0.06,
        rest_speed=0.06,
        pedestrian_horizon_s=3.0,
        slow_horizon_s=3.0,
        risk_horizon_s=2.5,
        stop_gap=0.15,
        static_stop_gap=0.15,
        restart_room=0.25,
        headway_s=0.6,
        vehicle_margin=0.45,
        pedestrian_margin=0.40,
        # what stands is in the free ground already, with the body's radius: boxes only guard against walking into it
        static_margin=-0.03,
        longitudinal_margin=0.0,
        pedestrian_longitudinal_margin=0.45,
        comfort_slack=0.25,
        margin_growth=0.04,
        length_growth=0.06,
        pedestrian_pass_speed=0.30,
        pedestrian_pass_slope=0.8,
        object_pass_speed=0.35,
        object_pass_slope=2.5,
        crawl_speed=0.20,
        pedestrian_crawl_speed=0.12,
        blind_speed=0.2,
        unmarked_speed=speed,
        pass_wait_s=1.0,
        moved_pass_wait_s=1.5,
        deadlock_wait_s=6.0,
        least_margin_scale=0.85,
        ground_lenience=0.0,  # what the ground says is not free is a wall or a step, however long one waits
        free_threshold=0.5,
        free_range=4.0,
        # a horizon of 7 s is 4 m here, not 60: progress weighs the more
        weight_progress=8.0,
        weight_offset=1.5,
        weight_acceleration=2.0,
        weight_clearance=25.0,
        weight_free=6.0,
        weight_astray=0.0,
        weight_risk=90.0,
        reason_reach=0.3,
    )
    return replace(walking, acceleration=0.25, lateral_acceleration=0.15) if carrying else walking
