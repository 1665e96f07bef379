"""All that can only be found out on a GPU, in one command: ``python -m autodrive.gpu_check``, ``make gpu-check``."""
