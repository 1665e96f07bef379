"""Where the tracked objects may be in the next seconds."""

from autodrive.forecast.predict import ForecastConfig, forecast

__all__ = ["ForecastConfig", "forecast"]
