"""Parameters of the planner: the vehicle's footprint and every limit, margin and weight, with their units."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Footprint:
    """The body's rectangle around base_link (rear axle): overhangs and width in metres."""

    front: float = 3.55
    rear: float = 0.95
    width: float = 1.80

    @property
    def length(self) -> float:
        """Bumper to bumper."""
        return self.front + self.rear

    @property
    def centre_offset(self) -> float:
        """How far the middle of the rectangle lies ahead of base_link."""
        return (self.front - self.rear) / 2


@dataclass(frozen=True, slots=True)
class ReferenceConfig:
    """How a polyline becomes a smooth reference path, and how far around its last place a body is looked for."""

    min_length: float = 2.0
    smoothing_step: float = 1.0
    # third-difference penalty: passes bends longer than about 10 m, removes the 0.1 m rounding of the vertices
    smoothing_weight: float = 18.0
    sample_step: float = 0.5
    extension: float = 80.0
    search_behind: float = 6.0
    search_ahead: float = 12.0
    heading_weight: float = 3.0  # metres of distance that facing across the path counts for


@dataclass(frozen=True, slots=True)
class GroundConfig:
    """Cells of the ground memory along (s) and across (d) the reference, and how fast evidence is taken over."""

    cell_s: float = 0.5
    cell_d: float = 0.4
    d_limit: float = 5.0
    behind: float = 6.0
    ahead: float = 42.0
    prior: float = 0.8  # unseen ground counts as probably free: the route leads over it
    gain: float = 0.3
    object_clearance: float = 0.7  # cells this near to a tracked object are the object's business, not the ground's
    half_width: float = 0.8  # of the strip that a path needs
    ignored: float = 0.5  # ahead of the body, where it may stand already
    stop_gap: float = 1.0  # before ground that is not free


@dataclass(frozen=True, slots=True)
class ShiftConfig:
    """Lateral offsets [m] that are tried around what blocks or slows the route, and when."""

    nudges: tuple[float, ...] = (0.4, 0.8, -0.4, -0.8)
    detours: tuple[float, ...] = (1.2, 1.6, 2.0, 2.5, 3.0, 3.5, -1.2)
    leaves_lane: float = 1.0
    min_length: float = 3.0
    tight_speed: float = 2.5  # below this, paths near full lock are worth trying
    merge_gap: float = 12.0  # no returning to the lane between obstacles nearer than this
    look_ahead: float = 45.0
    junction_bend: float = 0.05  # 1/m: a route bends like this only where it turns off


@dataclass(frozen=True, slots=True)
class PlannerConfig:
    """All tunables of the planner. SI units; the defaults are the car's, tuned on the scenario batches in test/.

    ``autodrive.planning.walking`` has those of a body on legs.
    """

    footprint: Footprint = field(default_factory=Footprint)
    reference: ReferenceConfig = field(default_factory=ReferenceConfig)
    ground: GroundConfig = field(default_factory=GroundConfig)
    shifts: ShiftConfig = field(default_factory=ShiftConfig)

    # time: candidates are rolled out to ``horizon_s``, the published trajectory covers ``output_s``
    dt: float = 0.2
    horizon_s: float = 8.0
    output_s: float = 5.0
    conflict_stride: int = 2  # roll-out steps per look-up of conflicts; in 0.4 s nothing car-sized slips through

    # space
    path_step: float = 0.5
    path_length: float = 60.0
    conflict_step: float = 1.0
    near_route: float = 9.0  # what never comes this near to the route is left out
    lost: float = 0.7  # further than this from the planned path, planning starts from the measured pose

    # kinematics and comfort
    max_speed: float = 13.9
    lateral_acceleration: float = 2.3
    acceleration: float = 1.8
    approach_deceleration: float = 1.8  # before bends and caps
    comfortable_deceleration: float = 2.0
    normal_deceleration: float = 3.0
    firm_deceleration: float = 4.5
    hard_deceleration: float = 6.0
    jerk: float = 2.5
    brake_jerk: float = 6.0
    hard_jerk: float = 40.0
    max_path_curvature: float = 0.20  # 5 m radius; the wheels allow 3.8 m
    wheel_lock_curvature: float = 0.25  # 1/m at 0.6 rad less some room for feedback
    standstill: float = 0.15  # slower than this the body waits
    rest_speed: float = 0.3  # slower than this, who touches us does so of their own motion

    pedestrian_horizon_s: float = 3.6  # people change their mind: where they will be later constrains nothing now

    slow_horizon_s: float = 4.0  # the same for a vehicle about to stop or to start, a second more per m/s
    risk_horizon_s: float = 4.0  # the same for unlikely modes

    # gaps
    stop_gap: float = 2.8  # added to the hard longitudinal margin: about 3.5 m bumper to bumper
    static_stop_gap: float = 5.5  # behind what may be passed later: room to pull out
    restart_room: float = 1.0
    headway_s: float = 1.0
    vehicle_margin: float = 0.20
    pedestrian_margin: float = 0.40
    static_margin: float = 0.15
    longitudinal_margin: float = 0.70
    pedestrian_longitudinal_margin: float = 0.70
    comfort_slack: float = 0.45  # beyond the margins; nearer costs, and is worth a nudge
    yield_margin_scale: float = 1.25  # of those whom the last plan gave way to: no change of mind for a hair's breadth
    margin_growth: float = 0.04  # lateral, per second of prediction
    length_growth: float = 0.10  # along the object's motion, per second of prediction
    speed_uncertainty: float = 0.05  # and this share of its speed
    probability_threshold: float = 0.20  # modes at least this likely are hard constraints
    risk_probability: float = 0.05  # less likely ones down to this are a cost

    # speed near people and in doubt
    pedestrian_pass_speed: float = 3.0  # at zero clearance beyond the margin, ...
    pedestrian_pass_slope: float = 6.0  # ... and so much faster per metre
    object_pass_speed: float = 4.0
    object_pass_slope: float = 10.0
    crawl_speed: float = 1.2  # through the tightest gaps
    pedestrian_crawl_speed: float = 0.4  # past somebody within arm's length
    crosswalk_speed: float = 5.0
    stop_line_speed: float = 4.5
    blind_speed: float = 5.0  # no free-space grid
    unmarked_speed: float = 8.0  # no markings

    # patience
    pass_wait_s: float = 4.0  # before a vehicle that stands in the middle of the lane counts as parked
    moved_pass_wait_s: float = 15.0  # the same for one that was seen moving
    deadlock_wait_s: float = 5.0  # after this long at rest margins start to shrink
    least_margin_scale: float = 0.4
    ground_lenience: float = 1.0  # the share of ``free_threshold`` that patience may take off

    # free space
    free_threshold: float = 0.30
    free_range: float = 18.0

    # weights of the cost
    weight_progress: float = 1.0
    weight_offset: float = 0.25
    weight_acceleration: float = 0.4
    weight_clearance: float = 3.0
    weight_free: float = 4.0
    weight_astray: float = 6.0
    weight_switch: float = 1.5
    weight_risk: float = 12.0

    reason_reach: float = 2.0  # a plan that ends this near to a stop names it as its reason
