"""Where the tracked objects may be in the next seconds."""

from autodrive.forecast.predict import forecast
from autodrive.forecast.view import ForecastConfig

__all__ = ["ForecastConfig", "forecast"]
